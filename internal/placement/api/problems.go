package api

import (
	"fmt"
	"html"
	"mime"
	"net/http"
	"slices"
	"strings"

	"gostack/internal/placement"
	"gostack/internal/rest"
)

const refusedVersion = "microversion"

// problem is the body of an error answer: JSON, but for clients that say they take none (webob's exceptions).
func problem(r *rest.Request, e *rest.Error) any {
	accept := r.HTTP.Header.Values("Accept")
	if acceptsJSON(accept) {
		return envelope(r, e)
	}
	status, message := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)), e.Message
	for _, text := range strings.Split(strings.Join(accept, ","), ",") {
		if mediaType, _, err := mime.ParseMediaType(text); err == nil && slices.Contains([]string{"text/html", "text/*"}, mediaType) {
			const page = "<html>\n <head>\n  <title>%[1]s</title>\n </head>\n <body>\n  <h1>%[1]s</h1>\n  %[2]s\n </body>\n</html>"
			return rest.RawBody{Type: "text/html; charset=UTF-8", Data: fmt.Appendf(nil, page, status, html.EscapeString(message))}
		}
	}
	return rest.RawBody{Type: "text/plain; charset=UTF-8", Data: []byte(status + "\n\n" + message + "\n")}
}

// envelope is the error document of the API guideline; the code exists since microversion 1.23.
func envelope(r *rest.Request, e *rest.Error) any {
	title := e.Title
	if title == "" {
		title = http.StatusText(e.Status)
	}
	problem := map[string]any{"status": e.Status, "title": title, "detail": e.Message, "request_id": r.ID}
	if r.Version.AtLeast(1, 23) {
		problem["code"] = placement.CodeUndefined
		if e.Code != "" {
			problem["code"] = e.Code
		}
	}
	if e.Type == refusedVersion && e.Status == http.StatusNotAcceptable {
		problem["min_version"], problem["max_version"] = MinVersion.String(), MaxVersion.String()
	}
	return map[string]any{"errors": []any{problem}}
}

// refusedInput explains as upstream does what a schema does not allow, without the schema itself.
func refusedInput(part string, v *rest.Violation) *rest.Error {
	begin := map[string]string{"query": "Invalid query string parameters: ", "body": "JSON does not validate: ", "syntax": "Malformed JSON: "}[part]
	if v.Keyword == "" {
		return rest.BadRequest("%s", begin+v.Message)
	}
	return rest.BadRequest("%s%s\n\nFailed validating '%s'", begin, v.Message, v.Keyword)
}

package api

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"

	"gostack/internal/rest"
)

// envelope writes errors as upstream's WebOb does, which clients take the message from: HTML for whoever takes anything,
// JSON for whoever asks, plain text for whoever takes neither. An empty Accept header, which openstacksdk sends with
// uploads and updates, counts as taking anything: its users would otherwise see no message at all.
func envelope(r *rest.Request, e *rest.Error) any {
	title := e.Title
	if title == "" {
		title = http.StatusText(e.Status)
	}
	status := fmt.Sprintf("%d %s", e.Status, title)
	// Upstream leaves HTML line breaks in JSON too; nobody wants to read those.
	switch accepted(strings.Join(r.HTTP.Header.Values("Accept"), ",")) {
	case "text/html":
		page := "<html>\n <head>\n  <title>" + status + "</title>\n </head>\n <body>\n  <h1>" + status + "</h1>\n  " +
			html.EscapeString(e.Message) + "<br /><br />\n\n\n\n </body>\n</html>"
		return rest.RawBody{Type: "text/html; charset=UTF-8", Data: []byte(page)}
	case "application/json":
		text, err := json.Marshal(map[string]string{"message": e.Message, "code": status, "title": title})
		if err != nil {
			text = []byte("{}")
		}
		return rest.RawBody{Type: "application/json", Data: text}
	}
	return rest.RawBody{Type: "text/plain; charset=UTF-8", Data: []byte(status + "\n\n" + e.Message + "\n\n\n\n")}
}

// accepted picks the better of HTML and JSON by the Accept header; HTML when they are equal.
func accepted(header string) string {
	if strings.Trim(header, ", ") == "" {
		return "text/html"
	}
	quality := func(offer string) float64 {
		best, specific := 0.0, -1
		for part := range strings.SplitSeq(header, ",") {
			kind, params, _ := strings.Cut(part, ";")
			kind = strings.ToLower(strings.TrimSpace(kind))
			major, _, _ := strings.Cut(offer, "/")
			rank := map[string]int{"*/*": 0, major + "/*": 1, offer: 2}
			n, ok := rank[kind]
			if !ok || n <= specific {
				continue
			}
			q := 1.0
			if _, value, ok := strings.Cut(strings.ReplaceAll(params, " ", ""), "q="); ok {
				if _, err := fmt.Sscanf(value, "%g", &q); err != nil {
					q = 0
				}
			}
			best, specific = q, n
		}
		return best
	}
	htm, js := quality("text/html"), quality("application/json")
	switch {
	case htm == 0 && js == 0:
		return "text/plain"
	case htm >= js:
		return "text/html"
	}
	return "application/json"
}

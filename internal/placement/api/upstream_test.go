package api_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"

	"gostack/internal/placement"
	"gostack/internal/placement/api"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
)

// TestLikeUpstream sends the same random requests to upstream's placement (Debian's package python3-placement) and to ours,
// and compares status, code and document. Skipped where the package is not installed.
func TestLikeUpstream(t *testing.T) {
	upstream := startUpstream(t)
	seed, steps := uint64(1), 600
	if text := os.Getenv("PLACEMENT_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
		steps = 3000
	}
	handler := resttest.New(t, api.New(&placement.Service{DB: storetest.SQLite(t, placement.Migrations)})).Handler
	ours := func(req *http.Request) *http.Response {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		return w.Result()
	}
	theirs := func(req *http.Request) *http.Response {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	g := newGenerator(seed)
	for step := range steps {
		call := g.next()
		b := call.send(t, ours, "/placement")
		a := call.send(t, theirs, upstream)
		if d := diff.Diff(a, b); d != "" && !knownDifference(call, a, b) {
			t.Fatalf("step %d: %s (-upstream +ours)\n%s", step, call, d)
		}
		g.learn(call, b)
	}
}

// knownDifference tells whether ours is meant to answer otherwise; docs/decisions says where and why.
func knownDifference(c call, theirs, ours outcome) bool {
	switch {
	case theirs.Status == http.StatusInternalServerError && c.method == "GET":
		return true // some member_of queries on nested sharing providers are too much for upstream
	case theirs.Status == http.StatusNotFound && ours.Status == http.StatusBadRequest && c.body != nil:
		return true // of two mistakes upstream mentions the other one
	case strings.HasPrefix(c.path, "/resource_providers?") && ours.Status == http.StatusBadRequest:
		document, _ := theirs.Document.(map[string]any)
		list, found := document["resource_providers"].([]any)
		return found && len(list) == 0 // of an unknown name and another filter that nothing matches upstream mentions neither
	case strings.HasPrefix(c.path, "/allocation_candidates?") && strings.Contains(c.path, "group_policy") && theirs.Status == ours.Status:
		// Upstream adds up amounts of candidates that are not one, and keeps one tree of several that share a provider.
		have := mappingsOf(ours)
		for mapping := range mappingsOf(theirs) {
			if !have[mapping] {
				return false
			}
		}
		return true
	}
	return false
}

func mappingsOf(o outcome) map[string]bool {
	mappings := map[string]bool{}
	document, _ := o.Document.(map[string]any)
	requests, _ := document["allocation_requests"].([]any)
	for _, request := range requests {
		one, _ := request.(map[string]any)
		mappings[fmt.Sprint(one["mappings"])] = true
	}
	return mappings
}

// startUpstream returns the URL of a running upstream placement.
func startUpstream(t *testing.T) string {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import placement.deploy").Run(); err != nil {
		t.Skip("upstream's placement is not installed (apt-get install --no-install-recommends python3-placement): nothing to compare with")
	}
	command := exec.Command(python, "testdata/upstream.py", t.TempDir())
	command.Env = append(os.Environ(), "PYTHONHASHSEED=0")
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("upstream did not start: %v\n%s", err, problems.String())
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

// call is one request.
type call struct {
	method, path string
	minor        int
	body         any
}

func (c call) String() string {
	text, err := json.Marshal(c.body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %s at 1.%d with %s", c.method, c.path, c.minor, text)
}

// outcome is what must be equal.
type outcome struct {
	Status   int
	Code     any
	Document any
	Location string
	Dated    bool
	Version  string
}

func (c call) send(t *testing.T, do func(*http.Request) *http.Response, base string) outcome {
	t.Helper()
	var body io.Reader
	if c.body != nil {
		text, err := json.Marshal(c.body)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	var req *http.Request
	if strings.HasPrefix(base, "http") {
		var err error
		if req, err = http.NewRequestWithContext(t.Context(), c.method, base+c.path, body); err != nil {
			t.Fatal(err)
		}
	} else {
		req = httptest.NewRequestWithContext(t.Context(), c.method, base+c.path, body)
	}
	token := "admin"
	if strings.HasPrefix(c.path, "/reshaper") && !strings.HasPrefix(base, "http") {
		token = "service" // the policy is stricter since the release that Debian has
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("OpenStack-API-Version", fmt.Sprintf("placement 1.%d", c.minor))
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp := do(req)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	o := outcome{Status: resp.StatusCode, Version: resp.Header.Get("OpenStack-API-Version")}
	if o.Status < 300 {
		o.Dated = resp.Header.Get("Last-Modified") != "" && resp.Header.Get("Cache-Control") == "no-cache"
		if _, path, found := strings.Cut(strings.TrimPrefix(resp.Header.Get("Location"), "http://"), "/"); found {
			o.Location = strings.TrimPrefix("/"+path, "/placement")
		}
	}
	if len(text) == 0 {
		return o
	}
	var document any
	if err := json.Unmarshal(bytes.ReplaceAll(text, []byte(`"/placement/`), []byte(`"/`)), &document); err != nil {
		t.Fatalf("%s: %d %q: %v", c, resp.StatusCode, text, err)
	}
	if problems, ok := document.(map[string]any)["errors"].([]any); ok {
		problem, _ := problems[0].(map[string]any)
		o.Code = problem["code"]
		return o
	}
	o.Document = sorted(document)
	if inventories, ok := document.(map[string]any)["inventories"].(map[string]any); ok && len(inventories) == 0 {
		o.Dated = true // upstream has no date then
	}
	return o
}

// sorted brings lists into an order, for the API has none.
func sorted(document any) any {
	switch v := document.(type) {
	case map[string]any:
		for key := range v {
			v[key] = sorted(v[key])
		}
	case []any:
		for i := range v {
			v[i] = sorted(v[i])
		}
		slices.SortFunc(v, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return document
}

// generator makes requests about few things, so that they meet.
type generator struct {
	*rand.Rand
	providers, consumers, aggregates []string
	generation                       map[string]int // of providers, as last seen
	consumerGeneration               map[string]any
	exists                           map[string]bool // consumers and providers
}

func newGenerator(seed uint64) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 2)), generation: map[string]int{}, consumerGeneration: map[string]any{}, exists: map[string]bool{}}
	for i := range 6 {
		g.providers = append(g.providers, fmt.Sprintf("aaaaaaaa-0000-0000-0000-00000000000%d", i))
		g.consumers = append(g.consumers, fmt.Sprintf("cccccccc-0000-0000-0000-00000000000%d", i))
	}
	for i := range 3 {
		g.aggregates = append(g.aggregates, fmt.Sprintf("bbbbbbbb-0000-0000-0000-00000000000%d", i))
	}
	return g
}

func pick[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }

func some[T any](g *generator, list ...T) []T {
	chosen := []T{}
	for _, one := range list {
		if g.IntN(3) == 0 {
			chosen = append(chosen, one)
		}
	}
	return chosen
}

func (g *generator) provider() string {
	if g.IntN(30) == 0 {
		return "aaaaaaaa-0000-0000-0000-0000000000ff"
	}
	return pick(g, g.providers...)
}

func (g *generator) class() string {
	return pick(g, "VCPU", "VCPU", "MEMORY_MB", "MEMORY_MB", "DISK_GB", "VGPU", "CUSTOM_A", "CUSTOM_B", "NOSUCH")
}

func (g *generator) trait() string {
	return pick(g, "HW_CPU_X86_AVX2", "STORAGE_DISK_SSD", "MISC_SHARES_VIA_AGGREGATE", "CUSTOM_X", "CUSTOM_Y", "CUSTOM_NONE")
}

func (g *generator) traits() []string {
	return []string{"HW_CPU_X86_AVX2", "STORAGE_DISK_SSD", "MISC_SHARES_VIA_AGGREGATE", "CUSTOM_X", "CUSTOM_Y"}
}

func (g *generator) providerGeneration(uuid string) int {
	if g.IntN(12) == 0 {
		return g.IntN(50)
	}
	return g.generation[uuid]
}

func (g *generator) inventory() map[string]any {
	inventory := map[string]any{"total": pick(g, 1, 4, 10, 100, 1000)}
	for key, values := range map[string][]any{
		"reserved": {0, 1, 4, 10}, "min_unit": {1, 2}, "max_unit": {1, 4, 100, 1000}, "step_size": {1, 1, 2}, "allocation_ratio": {1.0, 2, 4.5, 0.5},
	} {
		if g.IntN(4) == 0 {
			inventory[key] = pick(g, values...)
		}
	}
	if g.IntN(40) == 0 {
		inventory[pick(g, "total", "reserved", "colour")] = pick[any](g, -1, "x", 1.5, nil)
	}
	return inventory
}

func (g *generator) inventories() map[string]any {
	inventories := map[string]any{}
	for range g.IntN(4) {
		inventories[g.class()] = g.inventory()
	}
	return inventories
}

func (g *generator) resources() map[string]any {
	resources := map[string]any{g.class(): pick(g, 1, 1, 1, 2, 3, 8, 64)}
	if g.IntN(2) == 0 {
		resources[g.class()] = pick(g, 1, 2, 4)
	}
	return resources
}

// learn keeps generations up to date.
func (g *generator) learn(c call, o outcome) {
	parts := strings.Split(c.path, "/")
	body, _ := c.body.(map[string]any)
	if strings.HasPrefix(c.path, "/resource_providers") {
		switch {
		case c.method == "POST" && len(parts) == 2 && o.Status < 300:
			g.exists[body["uuid"].(string)] = true
			g.generation[body["uuid"].(string)] = 0
		case c.method == "DELETE" && len(parts) == 3 && o.Status < 300:
			g.exists[parts[2]] = false
		}
	}
	switch {
	case o.Status != http.StatusNoContent || !strings.HasPrefix(c.path, "/allocations") && c.path != "/reshaper":
	case c.method == "DELETE":
		g.exists[parts[2]] = false
	case c.method == "PUT":
		g.exists[parts[2]] = !isEmpty(body)
	default:
		if c.path == "/reshaper" {
			body = body["allocations"].(map[string]any)
		}
		for consumer, one := range body {
			g.exists[consumer] = !isEmpty(one.(map[string]any))
		}
	}
	document, _ := o.Document.(map[string]any)
	if len(parts) > 2 && parts[1] == "resource_providers" {
		for _, key := range []string{"resource_provider_generation", "generation"} {
			if n, ok := document[key].(float64); ok {
				g.generation[parts[2]] = int(n)
			}
		}
	}
	if len(parts) > 2 && parts[1] == "allocations" && c.method == "GET" && c.minor >= 28 {
		g.consumerGeneration[parts[2]] = document["consumer_generation"]
		allocations, _ := document["allocations"].(map[string]any)
		for uuid, allocation := range allocations {
			if one, ok := allocation.(map[string]any); ok {
				if n, ok := one["generation"].(float64); ok {
					g.generation[uuid] = int(n)
				}
			}
		}
	}
}

func isEmpty(allocation map[string]any) bool {
	keyed, ok := allocation["allocations"].(map[string]any)
	return ok && len(keyed) == 0
}

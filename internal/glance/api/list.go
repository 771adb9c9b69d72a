package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/glance"
	"gostack/internal/rest"
)

// Upstream's limit_param_default and api_limit_max.
const (
	defaultPage = 25
	largestPage = 1000
)

var sortKeys = []string{"name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"}

func (a *api) list(r *rest.Request) (any, error) {
	query := r.QueryValues()
	filter, err := parseFilter(query)
	if err != nil {
		return nil, err
	}
	limit, err := r.QueryInt("limit", defaultPage)
	if err != nil {
		return nil, err
	}
	limit = min(limit, largestPage)
	sort, err := parseSort(query)
	if err != nil {
		return nil, err
	}
	images, err := a.service.List(r.Context(), r.Caller, filter, sort, r.Query("marker"), limit)
	if err != nil {
		return nil, err
	}
	views := make([]map[string]any, 0, len(images))
	for i := range images {
		if r.Can("get_image", target(r.Caller, &images[i])) {
			views = append(views, a.view(r, &images[i]))
		}
	}
	answer := map[string]any{"images": views, "first": "/v2/images", "schema": "/v2/schemas/images"}
	same := url.Values{}
	for key, values := range query {
		if key != "marker" {
			same[key] = values
		}
	}
	if len(same) > 0 {
		answer["first"] = "/v2/images?" + same.Encode()
	}
	if len(images) > 0 && len(images) == limit {
		same.Set("marker", images[len(images)-1].ID)
		answer["next"] = "/v2/images?" + same.Encode()
	}
	return answer, nil
}

// parseSort reads sort=key:dir,… or sort_key and sort_dir, repeated.
func parseSort(query url.Values) ([]glance.Sort, error) {
	keys, dirs := query["sort_key"], query["sort_dir"]
	if sort, there := query["sort"]; there {
		if len(keys)+len(dirs) > 0 {
			return nil, rest.BadRequest("Old and new sorting syntax cannot be combined")
		}
		for part := range strings.SplitSeq(strings.TrimSpace(sort[0]), ",") {
			key, dir, _ := strings.Cut(part, ":")
			if dir == "" {
				dir = "desc"
			}
			keys, dirs = append(keys, key), append(dirs, dir)
		}
	} else if len(dirs) > 1 && len(dirs) != len(keys) {
		return nil, rest.BadRequest("Number of sort dirs does not match the number of sort keys")
	}
	if len(keys) == 0 {
		keys = []string{"created_at"}
	}
	if len(dirs) == 0 {
		dirs = []string{"desc"}
	}
	var sort []glance.Sort
	for i, key := range keys {
		key = strings.TrimSpace(key)
		dir := strings.TrimSpace(dirs[min(i, len(dirs)-1)])
		if !slices.Contains(sortKeys, key) {
			return nil, rest.BadRequest("Invalid sort key: %s. It must be one of the following: %s.", key, strings.Join(sortKeys, ", "))
		}
		if dir != "asc" && dir != "desc" {
			return nil, rest.BadRequest("Invalid sort direction: %s", dir)
		}
		if !slices.ContainsFunc(sort, func(by glance.Sort) bool { return by.Column == key }) {
			sort = append(sort, glance.Sort{Column: key, Desc: dir == "desc"})
		}
	}
	return sort, nil
}

// columns are the filters on text, by parameter; those that take "in:a,b" are in operators too.
var (
	columns = map[string]string{
		"id": "id", "name": "name", "status": "status", "container_format": "container_format", "disk_format": "disk_format",
		"owner": "owner", "checksum": "checksum", "os_hash_algo": "hash_algo", "os_hash_value": "hash_value",
	}
	operators = []string{"id", "name", "status", "container_format", "disk_format"}
	numbers   = map[string]string{"size": "size", "virtual_size": "virtual_size", "min_disk": "min_disk", "min_ram": "min_ram"}
)

// parseFilter reads all parameters that are not about paging or order. One that the API does not know is the name of a
// custom property.
func parseFilter(query url.Values) (glance.Filter, error) {
	f := glance.Filter{MemberStatus: "accepted", In: map[string][]string{}, Equal: map[string]int64{}, Properties: map[string]string{}}
	for key, values := range query {
		if strings.ContainsRune(key+strings.Join(values, ""), 0) {
			return f, rest.BadRequest("Filters may not hold NUL characters.")
		}
		if err := parseOne(&f, key, values); err != nil {
			return f, err
		}
	}
	return f, nil
}

func parseOne(f *glance.Filter, key string, values []string) error {
	value := values[len(values)-1]
	switch key {
	case "limit", "marker", "sort", "sort_key", "sort_dir":
	case "member_status":
		if !slices.Contains([]string{"pending", "accepted", "rejected", "all"}, value) {
			return rest.BadRequest("Invalid status: %s", value)
		}
		f.MemberStatus = value
	case "visibility":
		if !slices.Contains([]string{"", "community", "public", "private", "shared", "all"}, value) {
			return rest.BadRequest("Invalid visibility value: %s", value)
		}
		f.Visibility = value
	case "changes-since":
		return rest.BadRequest(`The "changes-since" filter is no longer available on v2.`)
	case "os_hidden", "protected":
		lower := value
		if key == "os_hidden" {
			lower = strings.ToLower(value)
		}
		if lower != "true" && lower != "false" {
			return rest.BadRequest("Invalid value '%s' for '%s' filter. Valid values are 'true' or 'false'.", value, key)
		}
		yes := lower == "true"
		if key == "os_hidden" {
			f.Hidden = yes
		} else {
			f.Protected = &yes
		}
	case "tag":
		for _, tag := range values {
			f.Tags = append(f.Tags, strings.TrimSpace(tag))
		}
	case "size_min", "size_max":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return rest.BadRequest("Unable to filter using the specified range.")
		}
		if key == "size_min" {
			f.SizeMin = &n
		} else {
			f.SizeMax = &n
		}
	case "created_at", "updated_at":
		return parseTime(f, key, value)
	default:
		return parseColumn(f, key, value)
	}
	return nil
}

func parseTime(f *glance.Filter, key, value string) error {
	op, text := "eq", value
	if _, err := rest.ParseTime(value); err != nil {
		var ok bool
		if op, text, ok = strings.Cut(value, ":"); !ok {
			op, text = "eq", value
		}
	}
	if !slices.Contains([]string{"eq", "neq", "gt", "gte", "lt", "lte"}, op) {
		return rest.BadRequest("Unable to filter by unknown operator '%s'.", op)
	}
	t, err := rest.ParseTime(text)
	if err != nil {
		return rest.BadRequest("Invalid time format for %s.", text)
	}
	f.Times = append(f.Times, glance.TimeFilter{Column: key, Op: op, Time: t})
	return nil
}

func parseColumn(f *glance.Filter, key, value string) error {
	if column, ok := numbers[key]; ok {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return rest.BadRequest("Invalid value '%s' for parameter '%s': it must be an integer", value, key)
		}
		f.Equal[column] = n
		return nil
	}
	column, ok := columns[key]
	if !ok {
		f.Properties[key] = value
		return nil
	}
	f.In[column] = []string{value}
	if !slices.Contains(operators, key) {
		return nil
	}
	op, list, cut := strings.Cut(value, ":")
	switch {
	case !cut:
	case op == "eq":
		f.In[column] = []string{list}
	case op == "in":
		values, err := splitQuoted(list)
		if err != nil {
			return err
		}
		f.In[column] = values
	default:
		return rest.BadRequest("Unable to filter by unknown operator '%s'.", op)
	}
	return nil
}

// splitQuoted splits at commas; a value that holds commas stands in double quotes, in which \" is a quote.
func splitQuoted(list string) ([]string, error) {
	bad := rest.BadRequest("Invalid filter value %s. The quote is not closed.", list)
	var values []string
	for {
		list = strings.TrimSpace(list)
		if !strings.HasPrefix(list, `"`) {
			value, more, ok := strings.Cut(list, ",")
			if strings.Contains(value, `"`) {
				return nil, rest.BadRequest("Invalid filter value %s. There is no comma before opening quotation mark.", list)
			}
			values = append(values, strings.TrimSpace(value))
			if !ok {
				return values, nil
			}
			list = more
			continue
		}
		var b strings.Builder
		i := 1
		for ; i < len(list) && list[i] != '"'; i++ {
			if list[i] == '\\' && i+1 < len(list) {
				i++
			}
			b.WriteByte(list[i])
		}
		if i >= len(list) {
			return nil, bad
		}
		values = append(values, b.String())
		list = strings.TrimSpace(list[i+1:])
		if list == "" {
			return values, nil
		}
		if list[0] != ',' {
			return nil, rest.BadRequest("Invalid filter value %s. There is no comma after closing quotation mark.", list)
		}
		list = list[1:]
	}
}

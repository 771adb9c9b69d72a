package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// option is a setting of Config by upstream's name (nova/conf/scheduler.py).
type option struct {
	name string
	set  func(c *Config, value string) error
}

var options = []option{
	{"host_subset_size", integer(1, func(c *Config) *int { return &c.SubsetSize })},
	{"max_attempts", integer(1, func(c *Config) *int { return &c.MaxAttempts })},
	{"max_instances_per_host", integer(1, func(c *Config) *int { return &c.MaxServersPerHost })},
	{"max_io_ops_per_host", integer(1, func(c *Config) *int { return &c.MaxIOOpsPerHost })},
	{"isolated_images", words(func(c *Config) *[]string { return &c.IsolatedImages })},
	{"isolated_hosts", words(func(c *Config) *[]string { return &c.IsolatedHosts })},
	{"restrict_isolated_hosts_to_isolated_images", boolean(func(c *Config) *bool { return &c.OnlyIsolated })},
	{"limit_tenants_to_placement_aggregate", boolean(func(c *Config) *bool { return &c.LimitTenants })},
	{"placement_aggregate_required_for_tenants", boolean(func(c *Config) *bool { return &c.TenantAggregateRequired })},
	{"enable_isolated_aggregate_filtering", boolean(func(c *Config) *bool { return &c.IsolateAggregates })},
	{"query_placement_for_image_type_support", boolean(func(c *Config) *bool { return &c.ImageTypeTraits })},
	{"image_metadata_prefilter", boolean(func(c *Config) *bool { return &c.ImageMetadataTraits })},
	{"aggregate_image_properties_isolation_namespace", func(c *Config, value string) error { c.ImageNamespace = value; return nil }},
	{"aggregate_image_properties_isolation_separator", func(c *Config, value string) error { c.ImageSeparator = value; return nil }},
	{"weight_setting", ratios(func(c *Config) *map[string]float64 { return &c.MetricRatios })},
	{"weight_of_unavailable", func(c *Config, value string) (err error) {
		c.MetricMissing, err = strconv.ParseFloat(value, 64)
		return err
	}},
	{"image_props_weight_setting", ratios(func(c *Config) *map[string]float64 { return &c.ImagePropertyRatios })},
}

// OptionNames lists what Configure understands, apart from +Filter and -Filter.
func OptionNames() []string {
	var names []string
	for _, o := range options {
		names = append(names, o.name)
	}
	for _, w := range weighers {
		names = append(names, w.setting)
	}
	return names
}

// Configure changes c as an operator says: "+JsonFilter" adds a filter, "-ComputeFilter" leaves one out, and "name=value" sets an
// option of upstream's configuration or the multiplier of a weigher ("ram_weight_multiplier=-1"). Lists are separated by spaces.
func (c *Config) Configure(settings []string) error {
	var errs []error
	for _, setting := range settings {
		if err := c.configure(setting); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c *Config) configure(setting string) error {
	if name, add := strings.CutPrefix(setting, "+"); add || strings.HasPrefix(setting, "-") {
		name = strings.TrimPrefix(name, "-")
		if !slices.Contains(FilterNames(), name) {
			return fmt.Errorf("there is no scheduler filter %q", name)
		}
		c.Filters = slices.DeleteFunc(slices.Clone(c.Filters), func(f string) bool { return f == name })
		if add {
			c.Filters = append(c.Filters, name)
		}
		return nil
	}
	name, value, _ := strings.Cut(setting, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	for _, o := range options {
		if o.name == name {
			if err := o.set(c, value); err != nil {
				return fmt.Errorf("scheduler option %s: %q: %w", name, value, err)
			}
			return nil
		}
	}
	for _, w := range weighers {
		if w.setting == name {
			multiplier, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return fmt.Errorf("scheduler option %s: %q is no number", name, value)
			}
			c.Multipliers[w.name] = multiplier
			return nil
		}
	}
	return fmt.Errorf("there is no scheduler option %q", name)
}

func integer(least int, field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, value string) error {
		n, err := strconv.Atoi(value)
		if err == nil && n < least {
			err = fmt.Errorf("at least %d", least)
		}
		*field(c) = n
		return err
	}
}

func boolean(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, value string) (err error) {
		*field(c), err = strconv.ParseBool(strings.ToLower(value))
		return err
	}
}

func words(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, value string) error {
		*field(c) = strings.Fields(value)
		return nil
	}
}

// ratios reads "name=1.5 other=-1".
func ratios(field func(*Config) *map[string]float64) func(*Config, string) error {
	return func(c *Config, value string) error {
		read := map[string]float64{}
		for word := range strings.FieldsSeq(value) {
			name, number, _ := strings.Cut(word, "=")
			ratio, err := strconv.ParseFloat(number, 64)
			if err != nil {
				return err
			}
			read[name] = ratio
		}
		*field(c) = read
		return nil
	}
}

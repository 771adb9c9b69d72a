package scheduler

import "slices"

// CountsServers tells whether decisions depend on how many servers hosts have, given the aggregates.
func (c *Config) CountsServers(aggregates []Aggregate) bool {
	for _, name := range []string{"NumInstancesFilter", "JsonFilter"} {
		if slices.Contains(c.Filters, name) {
			return true
		}
	}
	return c.Multipliers["NumInstancesWeigher"] != 0 || slices.ContainsFunc(aggregates, func(a Aggregate) bool {
		_, found := a.Metadata["num_instances_weight_multiplier"]
		return found
	})
}

// CountsImageProperties tells whether decisions depend on the images of the servers that hosts have.
func (c *Config) CountsImageProperties() bool { return c.Multipliers["ImagePropertiesWeigher"] != 0 }

// Attempts is on how many hosts a build is tried.
func (c *Config) Attempts() int {
	if c.MaxAttempts > 0 {
		return c.MaxAttempts
	}
	return 1 + DefaultAlternates
}

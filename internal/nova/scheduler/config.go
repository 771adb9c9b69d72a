package scheduler

import "slices"

// Config chooses filters and weighs weighers. The zero value filters nothing and prefers nothing: start from DefaultConfig.
type Config struct {
	Filters []string

	// Multipliers by weigher; 0 is not asked. Negative ones stack servers instead of spreading them.
	Multipliers map[string]float64

	// DefaultZone is the availability zone of hosts that are in none; "" is "nova".
	DefaultZone string

	// SubsetSize is among how many of the best hosts to choose at random; 0 and 1 take the best.
	SubsetSize int

	MaxServersPerHost int // NumInstancesFilter
	MaxIOOpsPerHost   int // IoOpsFilter

	// IsolatedImages may run on IsolatedHosts only; OnlyIsolated keeps other images away from those.
	IsolatedImages []string
	IsolatedHosts  []string
	OnlyIsolated   bool

	// MetricRatios are the ratios of the metrics weigher. A host without a metric gets MetricMissing in place of it all.
	MetricRatios  map[string]float64
	MetricMissing float64

	// ImagePropertyRatios are the ratios of the image properties weigher; nil is 1 for each property.
	ImagePropertyRatios map[string]float64

	// MaxAttempts is on how many hosts a build is tried; 0 is 3.
	MaxAttempts int

	// LimitTenants keeps a project on the hosts of the aggregates that name it (filter_tenant_id), if there are any;
	// TenantAggregateRequired refuses projects that none names.
	LimitTenants            bool
	TenantAggregateRequired bool

	// IsolateAggregates keeps requests away from aggregates with metadata trait:X=required unless they name X.
	IsolateAggregates bool

	// ImageTypeTraits asks for hosts that read the image's format, ImageMetadataTraits for those that have the devices it names.
	ImageTypeTraits     bool
	ImageMetadataTraits bool

	// ImageNamespace and ImageSeparator narrow AggregateImagePropertiesIsolation to keys that begin with them.
	ImageNamespace string
	ImageSeparator string

	// Random picks a number below n; nil is the runtime's.
	Random func(n int) int
}

// DefaultConfig is upstream's (nova/conf/scheduler.py), with more on: filters that do nothing until an operator or a user asks
// for something by name, and traits of images, which every host reports.
func DefaultConfig() Config {
	return Config{
		Filters: slices.Clone(DefaultFilters),
		Multipliers: map[string]float64{
			"RAMWeigher": 1, "CPUWeigher": 1, "DiskWeigher": 1, "IoOpsWeigher": -1, "PCIWeigher": 1,
			"ServerGroupSoftAffinityWeigher": 1, "ServerGroupSoftAntiAffinityWeigher": 1,
			"BuildFailureWeigher": 1_000_000, "MetricsWeigher": 1, "HypervisorVersionWeigher": 1,
		},
		MaxServersPerHost: 50,
		MaxIOOpsPerHost:   8,
		OnlyIsolated:      true,
		IsolateAggregates: true, ImageTypeTraits: true, ImageMetadataTraits: true,
		ImageSeparator: ".",
		MetricMissing:  -10000,
	}
}

// DefaultFilters are asked after those that always apply: requested host, placement, availability zone.
var DefaultFilters = []string{
	"ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter",
	"ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter",
	"SameHostFilter", "DifferentHostFilter", "SimpleCIDRAffinityFilter",
	"AggregateMultiTenancyIsolation", "IsolatedHostsFilter", "PciPassthroughFilter",
}

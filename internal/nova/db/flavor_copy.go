package db

import (
	"encoding/json"
	"fmt"
	"sync"
)

// FlavorCopy is the flavor as it was when the server was made: a server keeps it when the flavor changes or goes.
// Rows that hold the same text share one value, so nobody may change ExtraSpecs in place.
type FlavorCopy struct {
	Name        string            `json:"original_name"`
	VCPUs       int64             `json:"vcpus"`
	MemoryMB    int64             `json:"ram"`
	RootGB      int64             `json:"disk"`
	EphemeralGB int64             `json:"ephemeral"`
	SwapMB      int64             `json:"swap"`
	RxTxFactor  float64           `json:"rxtx_factor"`
	ExtraSpecs  map[string]string `json:"extra_specs"`
}

// flavorCopies are the copies read lately, by their text. A cloud has few flavors and many servers, and a list of a thousand
// servers would else decode the same few texts a thousand times.
var flavorCopies = struct {
	sync.RWMutex
	by map[string]FlavorCopy
}{by: map[string]FlavorCopy{}}

// flavorCopiesKept bounds flavorCopies; when it is full it starts anew.
const flavorCopiesKept = 1024

// Scan reads the JSON of a row.
func (f *FlavorCopy) Scan(src any) error {
	var text string
	switch v := src.(type) {
	case string:
		text = v
	case []byte:
		text = string(v)
	case nil:
		*f = FlavorCopy{}
		return nil
	default:
		return fmt.Errorf("a flavor cannot be read from %T", src)
	}
	flavorCopies.RLock()
	known, ok := flavorCopies.by[text]
	flavorCopies.RUnlock()
	if ok {
		*f = known
		return nil
	}
	var read FlavorCopy
	if err := json.Unmarshal([]byte(text), &read); err != nil {
		return fmt.Errorf("a server's flavor: %w", err)
	}
	*f = read
	flavorCopies.Lock()
	defer flavorCopies.Unlock()
	if len(flavorCopies.by) >= flavorCopiesKept {
		clear(flavorCopies.by)
	}
	flavorCopies.by[text] = read
	return nil
}

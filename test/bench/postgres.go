package main

import (
	"os"

	"gostack/internal/store/storetest"
)

// launchPostgres starts a PostgreSQL of our own. plans is a file for the plans of all statements that take long, or "".
func launchPostgres(plans string) (url string, stop func(), err error) {
	if plans == "" {
		return storetest.Launch(nil)
	}
	log, err := os.Create(plans)
	if err != nil {
		return "", nil, err
	}
	defer log.Close() // the server has its own
	return storetest.Launch(log, "session_preload_libraries=auto_explain", "auto_explain.log_min_duration=10", "auto_explain.log_analyze=on",
		"auto_explain.log_timing=off", "auto_explain.log_nested_statements=off")
}

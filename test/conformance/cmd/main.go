// Command cmd runs other people's suites against a cloud that runs already; "make conformance" calls it in a machine of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"gostack/test/conformance"
)

func main() {
	url := flag.String("url", "http://127.0.0.1:5000", "where the cloud's APIs are")
	password := flag.String("password-file", "/var/lib/gostack/keystone/admin-password", "file with the password of the administrator, admin")
	suite := flag.String("suite", "tempest", "tempest or gophercloud")
	match := flag.String("match", "", "regular expression of tests; empty is all")
	dir := flag.String("dir", os.TempDir()+"/conformance", "directory for the suite's configuration and logs; made anew")
	image := flag.String("image", "", "bootable image; without it, servers are not expected to boot")
	workers := flag.Int("workers", 2, "tests at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *url, *password, *suite, *match, *dir, *image, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context, url, password, suite, match, dir, image string, workers int) error {
	secret, err := os.ReadFile(password)
	if err != nil {
		return err
	}
	c := conformance.Cloud{URL: url, Password: strings.TrimSpace(string(secret)), Image: image, Guests: image != ""}
	var report *conformance.Report
	switch suite {
	case "tempest":
		if match == "" {
			match = conformance.TempestAll
		}
		report, err = conformance.Tempest(ctx, c, dir, match, workers)
	case "gophercloud":
		report, err = conformance.Gophercloud(ctx, c, match)
	default:
		return fmt.Errorf("no suite %q; there are tempest and gophercloud", suite)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s%s: %s\n", report.Findings(), suite, report)
	if len(report.Failed)+len(report.Stale) > 0 {
		return fmt.Errorf("%s found something", suite)
	}
	return nil
}

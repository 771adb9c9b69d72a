package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// postgres is a PostgreSQL of our own on a unix socket, as Debian configures it: durable, with 128 MB of shared buffers.
type postgres struct {
	dir string
	url string
	cmd *exec.Cmd
}

var errNoPostgres = errors.New("no PostgreSQL here; install Debian's package postgresql")

// plans is a file for the plans of all statements, or "".
func launchPostgres(plans string) (p *postgres, err error) {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(bins) == 0 {
		return nil, errNoPostgres
	}
	bin := filepath.Dir(bins[len(bins)-1])
	p = &postgres{}
	if p.dir, err = os.MkdirTemp("", "gostack-bench-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	if os.Getuid() == 0 { // PostgreSQL refuses root
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(p.dir, uid, gid); err != nil {
			return nil, err
		}
	}
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr = p.dir, attr
		return cmd
	}
	data := filepath.Join(p.dir, "data")
	if out, err := run("initdb", "-D", data, "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8", "-U", "postgres").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	args, logName := []string{"-D", data, "-k", p.dir, "-c", "listen_addresses=", "-c", "logging_collector=off"}, filepath.Join(p.dir, "log")
	if plans != "" {
		logName = plans
		args = append(args, "-c", "session_preload_libraries=auto_explain", "-c", "auto_explain.log_min_duration=10", "-c", "auto_explain.log_analyze=on", "-c", "auto_explain.log_timing=off", "-c", "auto_explain.log_nested_statements=off")
	}
	log, err := os.Create(logName)
	if err != nil {
		return nil, err
	}
	p.cmd = run("postgres", args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return nil, err
	}
	p.url = "postgres://postgres@/postgres?host=" + p.dir
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if exec.Command(filepath.Join(bin, "pg_isready"), "-q", "-h", p.dir).Run() == nil {
			return p, nil
		}
	}
	return nil, errors.New("PostgreSQL did not answer within a minute")
}

func (p *postgres) stop() {
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(syscall.SIGINT)
		_ = p.cmd.Wait()
	}
	_ = os.RemoveAll(p.dir)
}

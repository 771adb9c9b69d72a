package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"gostack/internal/config"
	"gostack/internal/keystone"
	keystoneapi "gostack/internal/keystone/api"
	"gostack/internal/keystone/jws"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// keystoneAPI is the identity service. All others ask it who a token speaks for.
var keystoneAPI = Component{
	Name: "keystone-api", What: "Identity API: users, projects, roles, tokens, catalogue",
	Control: true, Migrations: []store.Migrations{keystone.Migrations}, Build: buildKeystone,
}

// catalogue lists the services that clients find, below the public URL.
var catalogue = []keystone.BootstrapService{
	{Type: "identity", Name: "keystone", Path: "/identity"},
	{Type: "image", Name: "glance", Path: "/image"},
	{Type: "placement", Name: "placement", Path: "/placement"},
	{Type: "network", Name: "neutron", Path: "/network"},
	{Type: "compute", Name: "nova", Path: "/compute/v2.1"},
}

func buildKeystone(ctx context.Context, h *House) (Unit, error) {
	var service *keystone.Service
	err := h.patiently(ctx, func(context.Context) (err error) {
		service, err = newKeystone(h)
		return err
	})
	if err != nil {
		return Unit{}, err
	}
	h.Keystone, h.Authenticator = service, service
	h.Serve(keystoneapi.Services(service)...)
	// Clients that were given only host and port find the Identity API from the root.
	h.Root["GET /{$}"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.RootSocket != nil && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			h.RootSocket.ServeHTTP(w, r)
			return
		}
		if document, kind := keystoneapi.HomeAt(service, r.Header, "/identity/v3"); document != nil {
			w.Header().Set("Content-Type", kind)
			_ = json.NewEncoder(w).Encode(document)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusMultipleChoices)
		_ = json.NewEncoder(w).Encode(keystoneapi.Versions(strings.TrimSuffix(h.Config.PublicURL, "/") + "/identity/v3/"))
	})
	return Unit{
		Start: func(ctx context.Context) error { return bootstrapKeystone(ctx, h.Config, service) },
		Ready: service.Ready,
	}, nil
}

func newKeystone(h *House) (*keystone.Service, error) {
	var signed *jws.Repository
	if dir := h.Config.Keystone.JWSKeys(); dir != "" {
		signed = &jws.Repository{Private: filepath.Join(dir, "private"), Public: filepath.Join(dir, "public")}
		if _, _, err := signed.Keys(); err != nil {
			return nil, err
		}
	}
	return keystone.New(keystone.Options{
		SignedTokens: signed,

		DB:    h.DB,
		Clock: h.Clock,

		Notifications: keystone.Notifications{Format: h.Config.Notifications.IdentityFormat, OptOut: h.Config.Notifications.OptOut},
		// The keys are in the database; a directory of keys, as older versions and upstream have it, is taken over once.
		MaxActiveKeys: h.Config.Keystone.MaxActiveKeys, KeyDirectory: filepath.Join(h.Config.StateDir, "keystone", "fernet-keys"),

		TokenLifetime: h.Config.Keystone.TokenExpiration, HashCost: h.Config.Keystone.BcryptCost,
		LimitModel:    keystone.LimitModel(h.Config.Keystone.LimitModel),
		PasswordRules: keystone.PasswordRules(h.Config.Keystone.Password),
	})
}

// authenticator is keystone's, here or, where only other control components run, one of our own on the same tables and keys.
func (h *House) authenticator() (rest.Authenticator, error) {
	if h.Authenticator != nil || h.DB == nil {
		return h.Authenticator, nil
	}
	return newKeystone(h)
}

func bootstrapSpec(c *config.Config, password secret.String) keystone.BootstrapSpec {
	return keystone.BootstrapSpec{
		AdminPassword: password, Region: c.Region, BaseURL: strings.TrimSuffix(c.PublicURL, "/"), Services: catalogue,
	}
}

// AdminPasswordFile holds the password that the user admin was created with, mode 0600. It is read by gostack up for the files that clients
// read; when the user has changed the password since, the file is only history.
func AdminPasswordFile(c *config.Config) string {
	return filepath.Join(c.StateDir, "keystone", "admin-password")
}

// bootstrapKeystone makes the cloud's first user and what else a cloud must have, where it is missing. An existing admin keeps the password.
func bootstrapKeystone(ctx context.Context, c *config.Config, service *keystone.Service) error {
	spec := bootstrapSpec(c, secret.String{})
	exists, err := service.HasAdmin(ctx)
	if err != nil {
		return err
	}
	if !exists {
		if spec.AdminPassword, err = adminPassword(AdminPasswordFile(c)); err != nil {
			return err
		}
	}
	spec.KeepAdmin = true
	made, err := service.Bootstrap(ctx, spec)
	if err == nil && !exists && !made.AdminCreated {
		return os.Remove(AdminPasswordFile(c)) // another replica was quicker, and its password is the one
	}
	return err
}

// adminPassword reads the file, or writes a new random password into it. The file is on disk before the user is in the database, so the
// password cannot get lost.
func adminPassword(file string) (secret.String, error) {
	text, err := os.ReadFile(file)
	if err == nil && len(text) > 0 {
		return secret.New(strings.TrimSpace(string(text))), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return secret.String{}, fmt.Errorf("admin's password: %w", err)
	}
	var raw [18]byte
	_, _ = rand.Read(raw[:]) // never fails
	fresh := base64.RawURLEncoding.EncodeToString(raw[:])
	if err := writeSecret(file, fresh); err != nil {
		return secret.String{}, fmt.Errorf("admin's password: %w", err)
	}
	return secret.New(fresh), nil
}

// writeSecret stores a line in a file of mode 0600, whole or not at all: others wait for the file to appear.
func writeSecret(file, line string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(line + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// RotateFernetKeys makes the staged key the primary and stages a new one. Every control replica sees it within a second.
func RotateFernetKeys(ctx context.Context, c *config.Config) error {
	return besideKeystone(ctx, c, func(service *keystone.Service) error { return service.RotateKeys() })
}

// RotateCredentialKeys makes the staged key the one that credentials are encrypted with.
func RotateCredentialKeys(ctx context.Context, c *config.Config) error {
	return besideKeystone(ctx, c, func(service *keystone.Service) error { return service.RotateCredentialKeys(ctx) })
}

// MigrateCredentials encrypts all credentials with the present key, and returns how many were not.
func MigrateCredentials(ctx context.Context, c *config.Config) (n int, err error) {
	err = besideKeystone(ctx, c, func(service *keystone.Service) error {
		n, err = service.MigrateCredentials(ctx)
		return err
	})
	return n, err
}

// besideKeystone opens the service on the cloud's tables, whether gostack runs or not.
func besideKeystone(ctx context.Context, c *config.Config, fn func(*keystone.Service) error) error {
	db, err := store.Open(ctx, c.Database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.Migrate(ctx, keystone.Migrations); err != nil {
		return err
	}
	service, err := newKeystone(&House{Config: c, DB: db, Clock: db.Clock()})
	if err != nil {
		return err
	}
	return fn(service)
}

// ResetAdmin is the way back in for an operator who is locked out: it makes what Bootstrap makes, enables the user admin and sets the
// password, beside a running gostack or without one.
func ResetAdmin(ctx context.Context, c *config.Config, password secret.String) error {
	if password.Empty() {
		return errors.New("the password must not be empty")
	}
	return besideKeystone(ctx, c, func(service *keystone.Service) error {
		_, err := service.Bootstrap(ctx, bootstrapSpec(c, password))
		return err
	})
}

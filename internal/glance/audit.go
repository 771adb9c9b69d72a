package glance

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"gostack/internal/glance/db"
	"gostack/internal/glance/filestore"
	"gostack/internal/store"
)

// A Finding is a difference between the images' rows and the files.
type Finding struct {
	Kind   string // orphan, part, stuck, lost, away or damaged
	Image  string // id, when a row is concerned
	Key    string // of the file concerned
	Detail string
}

// Repairable tells whether Reconcile can mend it.
func (f Finding) Repairable() bool {
	return f.Kind == "orphan" || f.Kind == "part" || f.Kind == "stuck"
}

func (f Finding) String() string {
	if f.Image == "" {
		return fmt.Sprintf("image data %s: %s", f.Key, f.Detail)
	}
	return fmt.Sprintf("image %s: %s", f.Image, f.Detail)
}

// Audit compares rows and files. What an upload under way has made is no finding.
func (s *Service) Audit(ctx context.Context) ([]Finding, error) {
	// Files first: a file that was there before its row stopped speaking of it is nobody's.
	type placed struct {
		filestore.Entry
		in *filestore.Store
	}
	var files []placed
	for _, in := range s.directories() {
		list, err := in.List()
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			files = append(files, placed{f, in})
		}
	}
	rows, err := db.Holding(ctx, s.db.Read(ctx), "")
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, f := range files {
		if !f.Part {
			sizes[f.Key] = f.Size
		}
	}
	var findings []Finding
	known := map[string]bool{}
	for _, img := range rows {
		known[img.UploadKey] = true
		for _, key := range keysOf(&img) {
			known[key] = true
		}
		f, err := s.auditImage(ctx, img, sizes)
		if err != nil {
			return nil, err
		}
		findings = append(findings, f...)
	}
	for _, f := range files {
		if !known[f.Key] && s.abandoned(f.Entry) {
			kind, detail := "orphan", "no image has this data"
			if f.Part {
				kind, detail = "part", "an upload that ended left it"
			}
			findings = append(findings, Finding{Kind: kind, Key: f.Key, Detail: detail})
		}
	}
	sort.Slice(findings, func(i, j int) bool {
		return findings[i].Kind+findings[i].Image+findings[i].Key < findings[j].Kind+findings[j].Image+findings[j].Key
	})
	return findings, nil
}

// auditImage looks for one image's data, or for the writer of its upload.
func (s *Service) auditImage(ctx context.Context, img Image, sizes map[string]int64) ([]Finding, error) {
	finding := func(kind, key, detail string) []Finding { return []Finding{{kind, img.ID, key, detail}} }
	switch {
	case img.Status == Saving, img.Status == Uploading && img.UploadKey != "":
		if !s.lostWriter(img) {
			return nil, nil
		}
		// It may have finished since its row was read.
		again, err := db.Holding(ctx, s.db.Read(ctx), img.ID)
		if err != nil || len(again) == 0 || again[0].Status != img.Status || again[0].UploadKey != img.UploadKey {
			return nil, err
		}
		return finding("stuck", img.UploadKey, "its upload ended without finishing; it will be queued again"), nil
	case len(img.Locations) == 0:
		if img.Status != Active && img.Status != Deactivated {
			return nil, nil
		}
		return finding("lost", "", "it is "+img.Status+" and has no data"), nil
	}
	var findings []Finding
	for _, at := range img.Locations {
		if at.Key != "" {
			kind, detail := s.auditFile(ctx, img, at, sizes)
			if kind != "" {
				findings = append(findings, finding(kind, at.Key, detail)...)
			}
		}
	}
	return findings, nil
}

// auditFile looks for one of an image's files. It says "" when the file is as it should be.
func (s *Service) auditFile(ctx context.Context, img Image, at Location, sizes map[string]int64) (kind, detail string) {
	size, there := sizes[at.Key]
	if st := s.store(at.Store); !there && st != nil && st.files != nil { // it may have been uploaded after the files were listed
		if f, n, err := st.files.Read(at.Key); err == nil {
			f.Close()
			size, there = n, true
		}
	}
	if !there {
		var problem string
		if size, there, problem = s.auditRemote(ctx, at.Key); problem != "" {
			return "away", problem
		}
	}
	switch {
	case !there:
		// It may have gone with its image, or its location, meanwhile.
		if wanted, err := db.HasKey(ctx, s.db.Read(ctx), at.Key); err == nil && !wanted {
			return "", ""
		}
		return "lost", "its data is not in the store"
	case img.Size == nil || size != *img.Size:
		return "damaged", "its data has another length than was uploaded"
	}
	return "", ""
}

// ours tells whether this host wrote key, so that its lock says the truth.
func (s *Service) ours(key string) bool { return strings.HasSuffix(key, "-"+s.host) }

// lostWriter tells whether nobody writes the data of a saving image any more.
func (s *Service) lostWriter(img Image) bool {
	if s.writing(img.UploadKey) {
		return false
	}
	return s.ours(img.UploadKey) || img.UploadLease == nil || s.clock.Now().After(*img.UploadLease)
}

// abandoned tells whether a file that no row knows has no writer either. A file comes before its row, so one from another
// host, whose lock may not be visible, is given the time of a lease.
func (s *Service) abandoned(f filestore.Entry) bool {
	if s.writing(f.Key) {
		return false
	}
	return s.ours(f.Key) || time.Since(f.Changed) > uploadLease
}

// Reconcile repairs what Audit finds and can be repaired, and returns all findings: uploads that died are queued again,
// files that belong to nobody are removed. Lost and damaged data is only reported. It runs at start and on a timer.
func (s *Service) Reconcile(ctx context.Context) ([]Finding, error) {
	findings, err := s.Audit(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range findings {
		if err := s.repair(ctx, f); err != nil {
			return findings, fmt.Errorf("%s: %w", f, err)
		}
	}
	return findings, nil
}

// sweep removes a file that nobody has or writes, wherever it is.
func (s *Service) sweep(key string) error {
	var errs []error
	for _, files := range s.directories() {
		errs = append(errs, files.RemovePart(key), files.Delete(key))
	}
	return errors.Join(errs...)
}

func (s *Service) repair(ctx context.Context, f Finding) error {
	switch f.Kind {
	case "stuck":
		dropped := false
		err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
			dropped, err = db.DropUpload(ctx, tx, f.Image, f.Key, s.clock.Now())
			return err
		})
		if err != nil || !dropped { // not dropped: it has finished after all, and the file is the image's data
			return err
		}
		s.log.Warn("an upload died and its image is queued again", "image", f.Image)
		return s.sweep(f.Key)
	case "orphan":
		s.log.Warn("image data that belongs to no image is removed", "key", f.Key)
		return s.sweep(f.Key)
	case "part":
		s.log.Warn("the rest of a dead upload is removed", "key", f.Key)
		return s.sweep(f.Key)
	}
	if _, told := s.told.LoadOrStore(f, true); !told {
		s.log.Error("image data is not as it should be", "finding", f.String())
	}
	return nil
}

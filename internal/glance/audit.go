package glance

import (
	"context"
	"fmt"
	"sort"

	"gostack/internal/glance/db"
	"gostack/internal/glance/filestore"
	"gostack/internal/store"
)

// A Finding is a difference between the images' rows and the files.
type Finding struct {
	Kind   string // orphan, part, stuck, lost or damaged
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
//
// The files are listed before the rows are read: an upload is in its image's row before its file exists, and a file that
// was there before the row stopped speaking of it is nobody's.
func (s *Service) Audit(ctx context.Context) ([]Finding, error) {
	files, err := s.files.List()
	if err != nil {
		return nil, err
	}
	rows, err := db.Holding(ctx, s.db.Read(ctx))
	if err != nil {
		return nil, err
	}
	whole, parts := map[string]filestore.Entry{}, map[string]filestore.Entry{}
	for _, f := range files {
		if f.Part {
			parts[f.Key] = f
		} else {
			whole[f.Key] = f
		}
	}
	var findings []Finding
	add := func(kind, image, key, detail string) {
		findings = append(findings, Finding{kind, image, key, detail})
	}
	known := map[string]bool{}
	for _, img := range rows {
		known[img.DataKey], known[img.UploadKey] = true, true
		switch {
		case img.Status == Saving:
			part, writing := parts[img.UploadKey]
			expired := img.UploadLease == nil || s.clock.Now().After(*img.UploadLease)
			if part.Dead || expired && !writing {
				add("stuck", img.ID, img.UploadKey, "its upload ended without finishing; it will be queued again")
			}
		case img.DataKey == "":
			add("lost", img.ID, "", "it is "+img.Status+" and has no data")
		default:
			file, there := whole[img.DataKey]
			if !there {
				// It may have been uploaded after the list was made.
				if again, size, err := s.files.Read(img.DataKey); err == nil {
					again.Close()
					file, there = filestore.Entry{Size: size}, true
				}
			}
			switch {
			case !there:
				add("lost", img.ID, img.DataKey, "its data is not in the store")
			case img.Size == nil || file.Size != *img.Size:
				add("damaged", img.ID, img.DataKey, "its data has another length than was uploaded")
			}
		}
	}
	for key := range whole {
		if !known[key] {
			add("orphan", "", key, "no image has this data")
		}
	}
	for key, f := range parts {
		if f.Dead {
			add("part", "", key, "an upload that ended left it")
		}
	}
	sort.Slice(findings, func(i, j int) bool {
		return findings[i].Kind+findings[i].Image+findings[i].Key < findings[j].Kind+findings[j].Image+findings[j].Key
	})
	return findings, nil
}

// Reconcile repairs what Audit finds and can be repaired, and returns all findings: uploads that died are queued again,
// files that belong to nobody are removed. Lost and damaged data is only reported. It runs at start and on a timer.
func (s *Service) Reconcile(ctx context.Context) ([]Finding, error) {
	findings, err := s.Audit(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range findings {
		var err error
		switch f.Kind {
		case "stuck":
			err = s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
				_, err := db.DropUpload(ctx, tx, f.Image, f.Key, s.clock.Now())
				return err
			})
			if err == nil {
				err = s.files.RemovePart(f.Key)
			}
		case "orphan":
			err = s.files.Delete(f.Key)
		case "part":
			err = s.files.RemovePart(f.Key)
		}
		if err != nil {
			return findings, fmt.Errorf("%s: %w", f, err)
		}
		s.log.Warn("reconciled images with their files", "kind", f.Kind, "finding", f.String())
	}
	return findings, nil
}

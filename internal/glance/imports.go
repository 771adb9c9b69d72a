package glance

import (
	"context"
	"slices"
	"strings"

	"gostack/internal/engine/qemuimg"
	"gostack/internal/glance/db"
	"gostack/internal/glance/webfetch"
	"gostack/internal/imageformat"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// Import methods (https://docs.openstack.org/glance/latest/admin/interoperable-image-import.html).
const (
	GlanceDirect = "glance-direct" // from what was staged
	WebDownload  = "web-download"  // from an address
	CopyImage    = "copy-image"    // to other stores
)

// Properties that only the service writes, and that tell clients how an import goes.
const (
	ImportTask        = "os_glance_import_task"
	ImportingToStores = "os_glance_importing_to_stores"
	FailedImport      = "os_glance_failed_import"
)

// ImportConfig says how images may be imported.
type ImportConfig struct {
	Methods []string         // that are enabled
	Web     *webfetch.Client // reads addresses; nil: upstream's rules

	Plugins     []string           // that act on the data, in order: image_decompression, inject_metadata, image_conversion
	Convert     imageformat.Format // that image_conversion makes
	Tool        *qemuimg.Tool      // for image_conversion
	Inject      map[string]string  // properties that inject_metadata gives to images
	IgnoreRoles []string           // whose holders' images inject_metadata leaves alone
}

// Operations run what goes on after a request was answered.
type Operations interface {
	Start(ctx context.Context, tx store.Tx, in saga.Intent) (string, error)
	// Cancel ends what goes on with an image.
	Cancel(ctx context.Context, tx store.Tx, imageID string) error
}

// SetOperations ties the operations to the service. Without them nothing can be imported.
func (s *Service) SetOperations(ops Operations) { s.ops = ops }

// What operations are about, and their kinds.
const (
	ImageResource = "image"
	KindImport    = "glance.image.import"
	KindLocation  = "glance.image.location"
)

// Import is an import under way.
type Import struct {
	ImageID, TaskID, Method, URI string
	Stores                       []string // ids, "" where the one store has no name
	MustSucceed                  bool     // in all of them, or in none
}

// ImportRequest is what a client asks for.
type ImportRequest struct {
	Import
	AllStores bool
	Body      any // as the client wrote it, for the task
}

// ImportMethods are the methods that clients may use. Copying needs somewhere to copy to.
func (s *Service) ImportMethods() []string {
	methods := []string{}
	if s.ops != nil {
		methods = append(methods, s.imports.Methods...)
	}
	return methods
}

// Importable refuses imports that the image's state does not allow, in upstream's order and words.
func Importable(img *Image, method string) error {
	switch {
	case img.Status == Active && method != CopyImage:
		return rest.Conflict("Image with status active cannot be target for import")
	case img.Status != Active && method == CopyImage:
		return rest.Conflict("Only images with status active can be targeted for copying")
	case img.Status != Queued && method == WebDownload:
		return rest.Conflict("Image needs to be in 'queued' state to use '%s' method", method)
	case method == GlanceDirect && (img.Status != Uploading || img.StagedKey == ""):
		return rest.Conflict("Image needs to be staged before 'glance-direct' method can be used")
	case deref(img.ContainerFormat) == "":
		return rest.Conflict("'container_format' needs to be set before import")
	case deref(img.DiskFormat) == "":
		return rest.Conflict("'disk_format' needs to be set before import")
	}
	return nil
}

// ImportStores are the stores that an import goes to. header is X-Image-Meta-Store, named the body's list (nil: none).
func (s *Service) ImportStores(all bool, named []string, header string) ([]string, error) {
	if !s.multi {
		return []string{""}, nil
	}
	var ids []string
	switch {
	case all && (named != nil || header != ""):
		return nil, rest.BadRequest("All_stores parameter can't be used with x-image-meta-store header or stores parameter")
	case all:
		for _, st := range s.Stores() {
			if !st.ReadOnly() {
				ids = append(ids, st.ID)
			}
		}
		return ids, nil
	case named != nil && header != "":
		return nil, rest.BadRequest("Stores parameter and x-image-meta-store header can't be both specified")
	case len(named) > 0:
		ids = named
	case header != "":
		ids = []string{header}
	default:
		ids = []string{s.defaultStore().ID}
	}
	for i, id := range ids {
		st := s.store(id)
		switch {
		case st == nil || id == "":
			return nil, rest.Conflict("Store for identifier %s not found", id)
		case st.ReadOnly():
			return nil, rest.Conflict("Store %s is read-only and cannot be used to import images.", id)
		case slices.Contains(ids[:i], id):
			return nil, rest.BadRequest("Store %s is named twice", id)
		}
	}
	return ids, nil
}

// Import starts an import of an image that c was asked about. False: there is nothing to do.
func (s *Service) Import(ctx context.Context, c *policy.Caller, img *Image, in ImportRequest) (bool, error) {
	if in.Method == CopyImage {
		for _, at := range img.Locations {
			id := s.StoreOf(at)
			n := slices.Index(in.Stores, id)
			switch {
			case n < 0:
			case !in.AllStores:
				return false, rest.BadRequest("Image is already present at store '%s'", id)
			default:
				in.Stores = slices.Delete(slices.Clone(in.Stores), n, n+1)
			}
		}
		if len(in.Stores) == 0 {
			return false, nil
		}
	}
	switch {
	case !in.MustSucceed && !s.multi:
		return false, rest.BadRequest("All_stores_must_succeed can only be set with enabled_backends %s", in.URI)
	case in.Method == WebDownload && s.web().Check(in.URI) != nil:
		return false, rest.BadRequest("URI for web-download does not pass filtering: %s", in.URI)
	}
	task, err := s.newTask(ctx, c, TaskImageImport, img.ID, map[string]any{"image_id": img.ID, "import_req": in.Body, "backend": s.backends(in.Stores)})
	if err != nil {
		return false, err
	}
	in.ImageID, in.TaskID = img.ID, task.ID
	return true, s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return s.startImport(ctx, tx, c, in, task) })
}

// backends is a list of stores as tasks show it: the one store without a name is null.
func (s *Service) backends(ids []string) []any {
	list := make([]any, len(ids))
	for i, id := range ids {
		if id != "" {
			list[i] = id
		}
	}
	return list
}

// startImport locks the image, adds the task and starts the operation.
func (s *Service) startImport(ctx context.Context, tx store.Tx, c *policy.Caller, in ImportRequest, task *Task) error {
	img, err := s.image(ctx, tx, c, in.ImageID)
	if err != nil {
		return err
	}
	if img.Reserved[ImportTask] != "" {
		return rest.Conflict("Image has active task")
	}
	if err := Importable(img, in.Method); err != nil {
		return err
	}
	if err := s.inject(ctx, tx, c, img, in.Method); err != nil {
		return err
	}
	if in.Method != CopyImage {
		img.Status = Importing
	}
	img.Reserved[ImportTask] = task.ID
	merge(img, ImportingToStores, in.Stores, true)
	merge(img, FailedImport, in.Stores, false)
	img.UpdatedAt = s.clock.Now()
	if err := db.SaveData(ctx, tx, img); err != nil {
		return err
	}
	if err := db.InsertTask(ctx, tx, task); err != nil {
		return err
	}
	_, err = s.ops.Start(ctx, tx, saga.Intent{
		Kind: KindImport, Resource: saga.Resource{Type: ImageResource, ID: img.ID}, State: in.Import, Caller: c, RequestID: task.RequestID,
	})
	return err
}

// merge adds stores to, or takes them out of, a list that a property of the image holds.
func merge(img *Image, property string, stores []string, add bool) {
	var list []string
	for id := range strings.SplitSeq(img.Reserved[property], ",") {
		if id != "" && !slices.Contains(stores, id) {
			list = append(list, id)
		}
	}
	if add {
		for _, id := range stores {
			if id != "" {
				list = append(list, id)
			}
		}
	}
	slices.Sort(list)
	img.Reserved[property] = strings.Join(list, ",")
}

// web reads addresses.
func (s *Service) web() *webfetch.Client { return s.imports.Web }

package rpc

// NeedsImages are arguments that name images which the host may have to fetch. Whoever sends the call fills in the tickets, so that a host
// never has one for an image that it was not asked to use.
type NeedsImages interface {
	// WithTickets returns the arguments with a ticket for each image.
	WithTickets(issue func(image string) (string, error)) (any, error)
}

// WithTickets implements NeedsImages.
func (g Guest) WithTickets(issue func(image string) (string, error)) (any, error) {
	if g.Spec.Image == nil {
		return g, nil
	}
	image := *g.Spec.Image
	var err error
	image.Ticket, err = issue(image.ID)
	g.Spec.Image = &image
	return g, err
}

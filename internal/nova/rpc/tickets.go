package rpc

// NeedsImages are arguments that name images which the host may have to fetch. Whoever sends the call fills in the tickets, so that a host
// never has one for an image that it was not asked to use.
type NeedsImages interface {
	// WithTickets returns the arguments with a ticket for each image.
	WithTickets(issue func(image string) (string, error)) (any, error)
}

// WithTickets implements NeedsImages.
func (g Guest) WithTickets(issue func(image string) (string, error)) (any, error) {
	var err error
	if g.Spec.Image != nil {
		image := *g.Spec.Image
		if image.Ticket, err = issue(image.ID); err != nil {
			return g, err
		}
		g.Spec.Image = &image
	}
	if g.Spec.Rescue != nil {
		rescue := *g.Spec.Rescue
		rescue.Image.Ticket, err = issue(rescue.Image.ID)
		g.Spec.Rescue = &rescue
	}
	return g, err
}

package store

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// herald tells the processes on one PostgreSQL database of each other's news, by LISTEN and NOTIFY. It is a wake-up and carries no truth:
// an announcement may be lost with the process that made it or while the connection is away, so whoever hears also looks by itself from time to time.
//
// Announcements go out after the commit, many at once on one connection: NOTIFY inside a transaction would make all commits of the
// database wait for one another.
type herald struct {
	cfg  *pgx.ConnConfig
	me   string
	wake chan struct{}
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	ears    map[string][]func(detail string)
	pending map[string]bool
	ahead   time.Duration // how far the database's clock is ahead of ours
}

const (
	channel = "gostack"
	// checkEvery is how often a silent connection is tried, and the clocks compared.
	checkEvery = 20 * time.Second
)

func newHerald(cfg *pgx.ConnConfig) *herald {
	ctx, stop := context.WithCancel(context.Background())
	h := &herald{
		cfg: cfg, me: uuid.NewString()[:13], wake: make(chan struct{}, 1), stop: stop,
		ears: map[string][]func(string){}, pending: map[string]bool{},
	}
	h.done.Go(func() { h.listen(ctx) })
	return h
}

// Announce tells the other processes on this database that a topic has news, when the transaction of ctx has been committed; at once outside
// one. The topic holds no '|'. With detail they need not look at everything. On SQLite, where there are no others, it does nothing.
func (db *DB) Announce(ctx context.Context, topic, detail string) {
	if db.herald == nil {
		return
	}
	AfterCommit(ctx, func() { db.herald.announce(topic + "|" + detail) })
}

// Hear has fn called when another process has announced the topic, and with an empty detail when announcements may have been missed.
// fn must not block. There is no end to it but Close.
func (db *DB) Hear(topic string, fn func(detail string)) {
	if db.herald == nil {
		return
	}
	db.herald.mu.Lock()
	defer db.herald.mu.Unlock()
	db.herald.ears[topic] = append(db.herald.ears[topic], fn)
}

func (h *herald) announce(what string) {
	h.mu.Lock()
	h.pending[what] = true
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *herald) close() {
	h.stop()
	h.done.Wait()
}

// listen keeps a connection for hearing and, beside it, one for telling.
func (h *herald) listen(ctx context.Context) {
	for pause := 50 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, time.Second) {
		began := time.Now()
		h.session(ctx)
		if time.Since(began) > checkEvery {
			pause = 50 * time.Millisecond
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// session hears and tells until a connection fails.
func (h *herald) session(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hear, err := pgx.ConnectConfig(ctx, h.cfg.Copy())
	if err != nil {
		return
	}
	defer func() { _ = hear.Close(context.WithoutCancel(ctx)) }()
	if _, err := hear.Exec(ctx, "LISTEN "+channel); err != nil {
		return
	}
	tell, err := pgx.ConnectConfig(ctx, h.cfg.Copy())
	if err != nil {
		return
	}
	defer func() { _ = tell.Close(context.WithoutCancel(ctx)) }()
	if h.compareClocks(ctx, over(tell)) != nil {
		return
	}
	h.missed()
	var telling sync.WaitGroup
	defer telling.Wait()
	defer cancel()
	telling.Go(func() {
		defer cancel()
		h.tell(ctx, tell)
	})
	for {
		n, err := hear.WaitForNotification(ctx)
		if err != nil {
			return
		}
		h.heard(n.Payload)
	}
}

// missed tells everybody to look, because nobody knows what was announced meanwhile.
func (h *herald) missed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ears := range h.ears {
		for _, fn := range ears {
			fn("")
		}
	}
}

func (h *herald) heard(payload string) {
	from, rest, _ := strings.Cut(payload, "|")
	topic, detail, _ := strings.Cut(rest, "|")
	if from == h.me {
		return
	}
	h.mu.Lock()
	ears := h.ears[topic]
	h.mu.Unlock()
	for _, fn := range ears {
		fn(detail)
	}
}

// tell sends what is pending, and tries the connection when there is nothing for long.
func (h *herald) tell(ctx context.Context, c *pgx.Conn) {
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		case <-check.C:
			if h.compareClocks(ctx, over(c)) != nil {
				return
			}
		}
		h.mu.Lock()
		var batch []string
		for what := range h.pending {
			if payload := h.me + "|" + what; len(payload) < 7900 { // PostgreSQL's limit is 8000 bytes
				batch = append(batch, payload)
			}
		}
		clear(h.pending)
		h.mu.Unlock()
		if len(batch) == 0 {
			continue
		}
		b := &pgx.Batch{}
		for _, payload := range batch {
			b.Queue("SELECT pg_notify($1, $2)", channel, payload)
		}
		sendCtx, cancel := context.WithTimeout(ctx, deadAfter)
		err := c.SendBatch(sendCtx, b).Close()
		cancel()
		if err != nil {
			return // those who miss it look by themselves
		}
	}
}

const askTime = "SELECT clock_timestamp()"

// over asks for the time over a connection.
func over(c *pgx.Conn) func(context.Context, *time.Time) error {
	return func(ctx context.Context, there *time.Time) error { return c.QueryRow(ctx, askTime).Scan(there) }
}

// compareClocks learns how far the database's clock is ahead.
func (h *herald) compareClocks(ctx context.Context, ask func(ctx context.Context, there *time.Time) error) error {
	ctx, cancel := context.WithTimeout(ctx, deadAfter)
	defer cancel()
	before := time.Now()
	var there time.Time
	if err := ask(ctx, &there); err != nil {
		return err
	}
	took := time.Since(before)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ahead = there.Sub(before.Add(took / 2))
	if h.ahead.Abs() <= took { // cannot be told from none
		h.ahead = 0
	}
	return nil
}

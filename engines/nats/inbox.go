package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NoTx is what handlers get in place of a transaction: JetStream has none. See the package's doc.
type NoTx struct{}

// Inbox is a ledger in a JetStream stream. It implements [inbox.Inbox] with [NoTx] as the transaction. It is safe for use by many goroutines.
type Inbox struct {
	js       jetstream.JetStream
	stream   jetstream.Stream
	config   Config
	instance string // of this Inbox, among all that share the ledger
	routes   engine.Routes[NoTx]
	lanes    engine.Lanes
	index    atomic.Pointer[following]
	stored   atomic.Uint64 // the last message that this process was told is stored
	arrivals arrivals
	minutes  minutes
	link     link
	work     engine.Work[NoTx]
	inHand   sync.Map // the *claim of each delivery that a worker has, by number

	running atomic.Bool // Run is under way
	closed  atomic.Bool
	stop    context.CancelFunc // ends what tends
	tending sync.WaitGroup
	unlink  context.CancelFunc // ends what watches the link, which is needed to the last
	linking sync.WaitGroup
}

var _ inbox.Inbox[NoTx] = (*Inbox)(nil)

// Open makes the ledger's stream where it is not there, reads its headers, and returns the Inbox. Call Close when done; the connection stays open. js
// must be of the account's own JetStream, with NATS 2.10 or newer, and may publish to the stream's subjects, read, create consumers and purge.
//
// A stream that could lose or forget what it has acknowledged is refused, with everything that is wrong with it: one with fewer than three
// replicas, unless c says InsecureFewReplicas; one in memory, with an age, that drops old messages to make room, or that answers before it writes. So is a stream
// that was made for something else or by a newer version. ctx bounds the reading alone.
func Open(ctx context.Context, js jetstream.JetStream, c Config) (*Inbox, error) {
	c, err := c.complete(js)
	if err != nil {
		return nil, err
	}
	b := &Inbox{js: js, config: c, instance: rand.Text()}
	b.work = engine.Work[NoTx]{Config: c.Inbox, Routes: &b.routes, Effect: b.effect, Fail: b.failed}
	b.lanes.Init(c.Inbox)
	b.arrivals.init(c.Inbox)
	b.link.init()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	linked, unlink := context.WithCancel(context.WithoutCancel(ctx))
	b.stop, b.unlink = stop, unlink
	b.linking.Go(func() { b.watchLink(linked) })
	if err := b.begin(ctx); err != nil {
		stop()
		unlink()
		b.linking.Wait()
		return nil, fmt.Errorf("nats inbox: %w", err)
	}
	b.tending.Go(func() { b.watch(background) })
	b.tending.Go(func() { b.count(background) })
	return b, nil
}

// begin finds the stream and reads it.
func (b *Inbox) begin(ctx context.Context) (err error) {
	asked, done := b.link.ask(ctx)
	defer done()
	if b.stream, err = b.config.stream(asked, b.js); err != nil {
		return err
	}
	f, err := b.load(asked)
	if err == nil {
		b.index.Store(f)
	}
	return err
}

// Close ends the Inbox. It waits for the events that are being stored, and stores what was counted. End Run first.
func (b *Inbox) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	b.arrivals.close()
	b.stop()
	b.tending.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	err := b.flushMinutes(ctx)
	for err != nil && engine.Sleep(ctx, leaseLook) {
		err = b.flushMinutes(ctx)
	}
	b.index.Load().consume.Stop()
	b.unlink()
	b.linking.Wait()
	return err
}

// Handle implements [inbox.Inbox].
func (b *Inbox) Handle(provider, typ string, h inbox.Handler[NoTx]) error {
	return b.routes.Handle(provider, typ, h)
}

// HandleStaged implements [inbox.Inbox]. Both parts run outside of a transaction.
func (b *Inbox) HandleStaged(provider, typ string, s inbox.Staged[NoTx]) error {
	return b.routes.HandleStaged(provider, typ, s)
}

// storeTimeout bounds how long a message may be without the server's answer.
const storeTimeout = 10 * time.Second

// errConflict is returned by publish when the subject is not as it was expected.
var errConflict = errors.New("nats inbox: the subject has another message")

// anything expects nothing of a subject.
const anything = ^uint64(0)

// publish stores a message and returns its number. last is the number of the message that the subject must have now; zero for none.
func (b *Inbox) publish(ctx context.Context, subject, record string, payload []byte, last uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	ctx, done := b.link.ask(ctx)
	defer done()
	m := &natsgo.Msg{Subject: subject, Header: natsgo.Header{header: {record}}, Data: payload}
	options := []jetstream.PublishOpt{jetstream.WithExpectStream(b.config.Stream)}
	if last != anything {
		options = append(options, jetstream.WithExpectLastSequencePerSubject(last))
	}
	ack, err := b.js.PublishMsg(ctx, m, options...)
	if refused, ok := errors.AsType[*jetstream.APIError](err); ok && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return 0, errConflict
	}
	if err != nil && errors.Is(context.Cause(ctx), errDisconnected) {
		return 0, errors.Join(errDisconnected, err)
	}
	if err != nil {
		return 0, fmt.Errorf("nats inbox: %w", err)
	}
	for {
		known := b.stored.Load()
		if ack.Sequence <= known || b.stored.CompareAndSwap(known, ack.Sequence) {
			return ack.Sequence, nil
		}
	}
}

// record returns v as the text of a header.
func record(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(err) // the records of this package can be encoded, whatever they hold
	}
	return string(encoded)
}

// unavailable marks a failure of the server as one that the provider should wait out.
func unavailable(err error) error {
	return fmt.Errorf("%w: %w", webhook.ErrUnavailable, err)
}

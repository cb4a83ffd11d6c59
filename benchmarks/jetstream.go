package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/engines/nats"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// natsServerEnv makes this program a NATS server: "port folder sync".
const natsServerEnv = "GATEHOUSE_BENCH_NATS"

// serveNATS is the server, in a process of its own, until its parent ends.
func serveNATS(args string) {
	var port int
	var dir string
	var always bool
	_, err := fmt.Sscan(args, &port, &dir, &always)
	must(err)
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, SyncAlways: always, NoSigs: true})
	must(err)
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		panic("the NATS server does not come up")
	}
	_, err = fmt.Fprintln(os.Stdout, "ready")
	must(err)
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// startNATS starts a server that syncs its disk before each answer, or each two minutes, as it comes. stop ends it.
func startNATS(b *bench, always bool) (js jetstream.JetStream, stop func()) {
	free, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	must(err)
	address := free.Addr().String()
	must(free.Close())
	_, port, err := net.SplitHostPort(address)
	must(err)
	cmd := exec.CommandContext(context.Background(), os.Args[0]) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), natsServerEnv+"="+fmt.Sprint(port, " ", filepath.Join(b.scratch, "nats"+strconv.FormatBool(always)), " ", always))
	hold, err := cmd.StdinPipe()
	must(err)
	out, err := cmd.StdoutPipe()
	must(err)
	must(cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		panic(fmt.Sprintf("the NATS server says %q, %v", line, err))
	}
	conn, err := natsgo.Connect("nats://" + address)
	must(err)
	js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(time.Minute)) // a busy disk is slow
	must(err)
	return js, func() {
		conn.Close()
		_ = hold.Close() // which ends it
		_ = cmd.Wait()
	}
}

// published stores events in a stream, one message each, with the dedupe that JetStream has.
func published(js jetstream.JetStream) func(int) {
	_, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "BARE", Subjects: []string{"BARE.>"}})
	must(err)
	body := payload()
	return fromProducers(func(number int64) {
		key := webhook.NewKey("bench", []byte(strconv.FormatInt(number, 10)))
		_, err := js.Publish(context.Background(), "BARE.event", body, jetstream.WithMsgID(key.String()))
		must(err)
	})
}

// natsCases measure the inbox on JetStream beside JetStream alone, both with a sync before each answer. stop ends the inbox.
func natsCases(b *bench, js jetstream.JetStream, alone func(int)) (cases []measure.Case, stop func()) {
	begun := make(chan int64, 1000)
	box, err := nats.Open(context.Background(), js, nats.Config{Replicas: 1, InsecureFewReplicas: true})
	must(err)
	must(box.Handle("bench", "handled", func(_ context.Context, _ nats.NoTx, d *inbox.Delivery) error {
		number, err := strconv.ParseInt(d.Event.ID, 10, 64)
		must(err)
		begun <- number
		return nil
	}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	must(box.Pause(ctx, "bench", "event", inbox.Reason{By: "benchmarks", Why: "accepting is measured alone"}))
	go func() { ended <- box.Run(ctx) }()
	body := payload()
	accept := func(provider, typ string) func(int64) {
		return func(number int64) {
			e := numbered(number, body)
			e.Type, e.Key = typ, webhook.NewKey(provider, []byte(typ), []byte(e.ID))
			_, err := box.Accept(context.Background(), e)
			must(err)
		}
	}
	cases = []measure.Case{{
		Name:    "durable accept of a 1 KiB event, 64 producers, JetStream with sync always",
		AtLeast: busy(b),
		Contenders: []measure.Contender{
			{Name: "JetStream alone, Publish", Kind: measure.Limit, Do: alone},
			{Name: "gatehouse engines/nats Accept", Kind: measure.Ours, Do: fromProducers(accept("bench", "event"))},
		},
	}, {
		Name:       "handler starts after accept, 300 events a second, JetStream with sync always",
		Contenders: []measure.Contender{{Name: "gatehouse engines/nats", Kind: measure.Ours, Waits: atPace(accept("bench", "handled"), begun)}},
	}}
	return cases, func() {
		cancel()
		must(<-ended)
		must(box.Close())
	}
}

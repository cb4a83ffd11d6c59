package redis

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/redis/rueidis"
)

// page is how many messages are read at once.
const page = 1000

// oldNews is the age from which a purge of everything concerns only what is older than it: it is read in the log by an instance that starts.
const oldNews = time.Minute

// What is stored is good as of a moment: of the last question of which the answer showed that nothing was missed before, or of when all was
// forgotten. It is forgotten, or shown to be good again, before that moment is as long ago as Lag, and all parts of that are parts of Lag: a
// question that waits for a message, one that asks for the head, one that failed, and the pause after it.
const (
	blockPart  = 3.0 / 8 // how long the server waits for a message
	silentPart = 7.0 / 8 // after which nobody waits for an answer any longer
	pausePart  = 1.0 / 8 // between two attempts
	pagePart   = 1.0 / 2 // what there must be for a page of a log that is read, or all is forgotten first
)

// part is a part of Lag.
func (v *Invalidations) part(of float64) time.Duration {
	return time.Duration(of * float64(v.config.Lag))
}

// newsLog is the log on the server.
type newsLog interface {
	// head returns the tip and the number of the last message, and the server's clock.
	head(ctx context.Context) (tip string, number int64, now time.Time, err error)
	// after returns the first messages with a number above the given one, at most as many as fit on a page.
	after(ctx context.Context, number int64) ([]rueidis.XRangeEntry, error)
	// wait is after where there are messages, and waits for them for some time where there are none.
	wait(ctx context.Context, number int64, block time.Duration) ([]rueidis.XRangeEntry, error)
}

// follower is one Run of [Invalidations]: how far it has read the log.
type follower struct {
	v      *Invalidations
	log    newsLog
	cache  *revalidate.Cache
	tip    string    // of the last message that was read
	number int64     // its number
	placed bool      // tip and number are set: there was a head, or the word that there is none
	behind bool      // there is something to catch up with
	asOf   time.Time // what is stored is good as of then
}

// follow reads the log until ctx ends, or the engine is closed.
func (f *follower) follow(ctx context.Context) error {
	f.asOf = time.Now()
	for {
		err := f.step(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrClosed):
			return err
		case err == nil:
			continue
		}
		pause := f.v.part(pausePart)
		if f.left() <= pause {
			f.forget()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// left is how long an answer may be waited for still.
func (f *follower) left() time.Duration { return f.v.part(silentPart) - time.Since(f.asOf) }

// within bounds a question by what is left.
func (f *follower) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, f.left())
}

// forget forgets all, for nobody knows what was missed, unless what is old is to be served.
func (f *follower) forget() {
	f.asOf = time.Now()
	if !f.v.config.ServeOld {
		f.forgetBefore(f.asOf)
	}
}

func (f *follower) forgetBefore(t time.Time) {
	f.cache.Forget(t)
	if f.v.forgot != nil {
		f.v.forgot(t)
	}
}

// step waits for messages, for a part of Lag, and passes them on.
func (f *follower) step(ctx context.Context) error {
	if !f.placed || f.behind {
		return f.catchUp(ctx)
	}
	ctx, cancel := f.within(ctx)
	defer cancel()
	asked := time.Now()
	messages, err := f.log.wait(ctx, f.number, f.v.part(blockPart))
	if err != nil {
		return err
	}
	if len(messages) > 0 {
		if f.behind = !f.pass(messages); !f.behind {
			f.asOf = asked
		}
		return nil
	}
	asked = time.Now()
	tip, _, _, err := f.log.head(ctx)
	if f.behind = err != nil || tip != f.tip; !f.behind { // else a message came just now, or the server lost the log
		f.asOf = asked
	}
	return err
}

// catchUp passes what the log has beyond the last message, or, where that is not to be found there, forgets what is older than the log
// and passes all of it.
func (f *follower) catchUp(ctx context.Context) error {
	asked := time.Now()
	heading, cancel := f.within(ctx)
	tip, number, now, err := f.log.head(heading)
	cancel()
	if err != nil {
		return err
	}
	if f.placed {
		messages, err := f.rest(ctx, f.number)
		if err != nil {
			return err
		}
		if len(messages) == 0 && tip == f.tip || len(messages) > 0 && f.pass(messages) {
			f.behind = false
			f.heard(asked)
			return nil
		}
	}
	messages, err := f.rest(ctx, 0)
	if err != nil {
		return err
	}
	f.tip, f.number = tip, number
	oldest := now
	if len(messages) > 0 {
		f.tip = messages[0].FieldValues["after"]
		seconds, err := strconv.ParseInt(messages[0].FieldValues["at"], 10, 64)
		if err == nil {
			oldest = time.Unix(seconds, 0)
		}
	}
	f.forgetBefore(oldest.Add(clockSlack))
	f.placed, f.behind = true, !f.pass(messages)
	if !f.behind {
		f.heard(asked)
	}
	return nil
}

// heard notes that nothing is missed of what was announced until then.
func (f *follower) heard(asked time.Time) {
	if asked.After(f.asOf) {
		f.asOf = asked
	}
}

// pass passes messages on while each follows the one before it, and reports whether all did.
func (f *follower) pass(messages []rueidis.XRangeEntry) bool {
	for _, m := range messages {
		number, err := numberOf(m.ID)
		if err != nil || m.FieldValues["after"] != f.tip {
			return false
		}
		f.tip, f.number = m.FieldValues["tip"], number
		if m.FieldValues["from"] == f.v.self {
			continue // it took effect before it was announced
		}
		inv, err := parseMessage(m.FieldValues["message"])
		at, unknown := strconv.ParseInt(m.FieldValues["at"], 10, 64)
		switch before := time.Unix(at, 0).Add(clockSlack); {
		case err != nil:
		case inv.All && unknown == nil && inv.Check() == nil && time.Since(before) > oldNews:
			f.forgetBefore(before) // what was made since, perhaps by the others, is good
		default:
			err = f.cache.Receive(inv)
		}
		if err != nil { // of a newer version of this package: it may mean anything; or the store failed and still has what is not good
			f.forgetBefore(time.Now())
		}
		if f.v.passed != nil {
			f.v.passed(inv)
		}
	}
	return true
}

// rest returns all messages after the one of that number. Where there are so many that it takes long, what is stored is forgotten meanwhile:
// what they say of it is not known yet.
func (f *follower) rest(ctx context.Context, number int64) (all []rueidis.XRangeEntry, err error) {
	for {
		if f.left() < f.v.part(pagePart) {
			f.forget()
		}
		turning, cancel := f.within(ctx)
		messages, err := f.log.after(turning, number)
		cancel()
		if err != nil {
			return nil, err
		}
		all = append(all, messages...)
		if len(messages) < page {
			return all, nil
		}
		if number, err = numberOf(messages[len(messages)-1].ID); err != nil {
			return nil, err
		}
	}
}

// serverLog is the log as the server has it.
type serverLog struct{ v *Invalidations }

func (l serverLog) wait(ctx context.Context, number int64, block time.Duration) ([]rueidis.XRangeEntry, error) {
	log := l.v.keys[0]
	streams, err := l.v.engine.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Xread().Count(page).Block(max(block.Milliseconds(), 1)).Streams().Key(log).Id(idOf(number)).Build())
	}).AsXRead()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	return streams[log], err
}

func (l serverLog) after(ctx context.Context, number int64) ([]rueidis.XRangeEntry, error) {
	return l.v.engine.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Xrange().Key(l.v.keys[0]).Start("("+idOf(number)).End("+").Count(page).Build())
	}).AsXRange()
}

func (l serverLog) head(ctx context.Context) (tip string, number int64, now time.Time, err error) {
	head, err := l.v.engine.run(ctx, l.v.head, l.v.keys, nil).AsStrSlice()
	if err != nil {
		return "", 0, time.Time{}, err
	}
	if len(head) != 3 {
		return "", 0, time.Time{}, errors.New("redis: the head of the log has three parts")
	}
	number, err = strconv.ParseInt(head[1], 10, 64)
	seconds, err2 := strconv.ParseInt(head[2], 10, 64)
	return head[0], number, time.Unix(seconds, 0), errors.Join(err, err2)
}

func numberOf(id string) (int64, error) {
	return strconv.ParseInt(strings.TrimSuffix(id, "-0"), 10, 64)
}

func idOf(number int64) string { return strconv.FormatInt(number, 10) + "-0" }

func parseMessage(text string) (revalidate.Invalidation, error) {
	var m message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return revalidate.Invalidation{}, err
	}
	if m.Version != tagVersion && m.Version != purgeVersion || m.Version == tagVersion && m.purges() || m.Mode > revalidate.ModeExpire {
		return revalidate.Invalidation{}, errors.New("redis: invalidation of another version")
	}
	inv := revalidate.Invalidation{Tags: m.Tags, TagPrefixes: m.Prefixes, Mode: m.Mode, Window: m.Window, Groups: m.Groups, All: m.All}
	for _, path := range m.Paths {
		inv.Paths = append(inv.Paths, string(path))
	}
	for _, url := range m.URLs {
		inv.URLs = append(inv.URLs, string(url))
	}
	return inv, nil
}

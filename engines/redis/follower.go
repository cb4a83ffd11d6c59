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

// follower is one Run of [Invalidations]: how far it has read the log.
type follower struct {
	v      *Invalidations
	cache  *revalidate.Cache
	tip    string // of the last message that was read
	number int64  // its number
	placed bool   // tip and number are set: there was a head, or the word that there is none
	behind bool   // there is something to catch up with
}

// step waits for messages, for half of Lag at most, and passes them on.
func (f *follower) step(ctx context.Context) error {
	if !f.placed || f.behind {
		return f.catchUp(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, f.v.config.Lag)
	defer cancel()
	messages, err := f.wait(ctx)
	if err != nil {
		return err
	}
	if len(messages) > 0 {
		f.behind = !f.pass(messages)
		return nil
	}
	tip, _, _, err := f.head(ctx)
	f.behind = err != nil || tip != f.tip // a message came just now, or the server lost the log
	return err
}

// catchUp passes what the log has beyond the last message, or, where that is not to be found there, forgets what is older than the log
// and passes all of it.
func (f *follower) catchUp(ctx context.Context) error {
	tip, number, now, err := f.head(ctx)
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
	f.cache.Forget(oldest.Add(clockSlack))
	f.placed, f.behind = true, !f.pass(messages)
	return nil
}

// pass passes messages on while each follows the one before it, and reports whether all did.
func (f *follower) pass(messages []rueidis.XRangeEntry) bool {
	for _, m := range messages {
		number, err := strconv.ParseInt(strings.TrimSuffix(m.ID, "-0"), 10, 64)
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
			f.cache.Forget(before) // what was made since, perhaps by the others, is good
		default:
			err = f.cache.Receive(inv)
		}
		if err != nil { // of a newer version of this package: it may mean anything; or the store failed and still has what is not good
			f.cache.Forget(time.Now())
		}
	}
	return true
}

// wait returns the messages after the last one, once there are any.
func (f *follower) wait(ctx context.Context) ([]rueidis.XRangeEntry, error) {
	log := f.v.keys[0]
	streams, err := f.v.engine.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		block := f.v.config.Lag.Milliseconds() / 2
		return client.Do(ctx, client.B().Xread().Count(page).Block(block).Streams().Key(log).Id(idOf(f.number)).Build())
	}).AsXRead()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	return streams[log], err
}

// rest returns all messages after the one of that number. Where there are so many that it takes long, what is stored is forgotten meanwhile:
// what they say of it is not known yet.
func (f *follower) rest(ctx context.Context, number int64) (all []rueidis.XRangeEntry, err error) {
	from := "(" + idOf(number)
	for began := time.Now(); ; {
		messages, err := f.soon(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
			return client.Do(ctx, client.B().Xrange().Key(f.v.keys[0]).Start(from).End("+").Count(page).Build())
		}).AsXRange()
		if err != nil {
			return nil, err
		}
		all = append(all, messages...)
		if len(messages) < page {
			return all, nil
		}
		if !f.v.config.ServeOld && time.Since(began) > f.v.config.Lag {
			f.cache.Forget(time.Now())
		}
		from = "(" + messages[len(messages)-1].ID
	}
}

// soon asks the server, for no longer than Lag: an answer that comes later is none, for as long as nothing was heard.
func (f *follower) soon(ctx context.Context, question func(context.Context, rueidis.Client) rueidis.RedisResult) rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, f.v.config.Lag)
	defer cancel()
	return f.v.engine.ask(ctx, question)
}

func (f *follower) head(ctx context.Context) (tip string, number int64, now time.Time, err error) {
	head, err := f.soon(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return f.v.head.Exec(ctx, client, f.v.keys, nil)
	}).AsStrSlice()
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

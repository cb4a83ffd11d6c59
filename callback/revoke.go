package callback

import (
	"context"
	"time"
)

// SessionInfo is one session of a user, for a page that lists them.
type SessionInfo struct {
	ID               string
	Created, Expires time.Time
}

// List returns the sessions of the user that Subject names so, oldest first. The error is [ErrNoStore] or [ErrStore].
func (s *Sessions[U]) List(ctx context.Context, subject string) ([]SessionInfo, error) {
	if s.config.Store == nil {
		return nil, ErrNoStore
	}
	records, err := s.config.Store.ListLinked(ctx, userLink(subject))
	if err != nil {
		return nil, s.unavailable(ctx, err)
	}
	out := make([]SessionInfo, len(records))
	for i, rec := range records {
		out[i] = SessionInfo{ID: rec.ID, Created: rec.Created, Expires: rec.Expires}
	}
	return out, nil
}

// Revoke ends the session with that id. The error is [ErrNoStore] or [ErrStore].
func (s *Sessions[U]) Revoke(ctx context.Context, id string) error {
	if s.config.Store == nil {
		return ErrNoStore
	}
	if err := s.config.Store.Delete(ctx, id); err != nil {
		return s.unavailable(ctx, err)
	}
	return nil
}

// RevokeUser ends every session of the user that Subject names so, and returns how many. The error is [ErrNoStore] or [ErrStore].
func (s *Sessions[U]) RevokeUser(ctx context.Context, subject string) (int, error) {
	return s.RevokeLinked(ctx, userLink(subject))
}

// RevokeLinked ends every session that was started with link, and returns how many. The error is [ErrNoStore] or [ErrStore].
func (s *Sessions[U]) RevokeLinked(ctx context.Context, link string) (int, error) {
	if s.config.Store == nil {
		return 0, ErrNoStore
	}
	n, err := s.config.Store.DeleteLinked(ctx, link)
	if err != nil {
		return n, s.unavailable(ctx, err)
	}
	return n, nil
}

package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Bounds of a page.
const (
	defaultPage = 50
	longestPage = 500
)

// Page returns a page of what find returns, newest first, for f.Limit deliveries at most.
func Page(f inbox.Filter, find func(f inbox.Filter) ([]Row, error)) (inbox.Page, error) {
	if f.Limit == 0 {
		f.Limit = defaultPage
	}
	if f.Limit < 1 || f.Limit > longestPage {
		return inbox.Page{}, fmt.Errorf("%w: Limit %d must be 1 to %d", inbox.ErrSelection, f.Limit, longestPage)
	}
	limit := f.Limit
	f.Limit++ // one more tells whether there is a next page
	found, err := find(f)
	if err != nil {
		return inbox.Page{}, err
	}
	var page inbox.Page
	if len(found) > limit {
		found = found[:limit]
		page.Next = found[limit-1].ID
	}
	for _, r := range found {
		page.Deliveries = append(page.Deliveries, *r.Delivery)
	}
	return page, nil
}

// Merge returns the newest of rows, up to limit, newest first: of looks for one type each, say.
func Merge(rows []Row, limit int) []Row {
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(b.ID, a.ID) })
	return rows[:min(len(rows), limit)]
}

// CheckStatus returns [inbox.ErrSelection] for a filter's status that is none.
func CheckStatus(f inbox.Filter) error {
	if f.Status != "" && !slices.Contains(inbox.Statuses(), f.Status) {
		return fmt.Errorf("%w: status %.20q is none", inbox.ErrSelection, f.Status)
	}
	return nil
}

// Export writes each delivery that ascend finds, with header and body, to w as a [Line].
func Export(w io.Writer, ascend func(each func([]Row) error) error) error {
	lines := json.NewEncoder(w)
	return ascend(func(rows []Row) error {
		for _, r := range rows {
			line, err := LineOf(r.Delivery)
			if err != nil {
				return err
			}
			if err := lines.Encode(line); err != nil {
				return err
			}
		}
		return nil
	})
}

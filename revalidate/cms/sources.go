package cms

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Contentful reads entries and assets, with the default payload (contentful.com/developers/docs/webhooks). Action is that of
// X-Contentful-Topic. Slug is the field of that name, in the first of its locales by name.
func Contentful(header http.Header, body []byte) ([]Change, error) {
	var d struct {
		Sys struct {
			Type        string
			ID          text
			ContentType struct{ Sys struct{ ID text } }
		}
		Fields struct{ Slug map[string]string }
	}
	if err := read(body, &d); err != nil {
		return nil, err
	}
	c := Change{ID: string(d.Sys.ID), Type: string(d.Sys.ContentType.Sys.ID)}
	topic := strings.Split(header.Get("X-Contentful-Topic"), ".")
	c.Action = topic[len(topic)-1]
	if c.Type == "" {
		c.Type = lower(strings.TrimPrefix(d.Sys.Type, "Deleted"))
	}
	locale := ""
	for name, slug := range d.Fields.Slug {
		if locale == "" || name < locale {
			locale, c.Slug = name, slug
		}
	}
	return one(c), nil
}

// Sanity reads documents, with the default projection or one that keeps _id, _type and slug
// (sanity.io/docs/content-lake/webhooks). Action is that of the sanity-operation field. A draft counts as its document.
func Sanity(header http.Header, body []byte) ([]Change, error) {
	var d struct {
		ID   text   `json:"_id"`
		Type string `json:"_type"`
		Slug json.RawMessage
	}
	if err := read(body, &d); err != nil {
		return nil, err
	}
	return one(Change{
		Action: header.Get("Sanity-Operation"),
		Type:   d.Type,
		ID:     strings.TrimPrefix(first(string(d.ID), header.Get("Sanity-Document-Id")), "drafts."),
		Slug:   sanitySlug(d.Slug),
	}), nil
}

// sanitySlug reads a slug object, or the string that a projection made of it.
func sanitySlug(raw json.RawMessage) string {
	var slug struct{ Current string }
	if json.Unmarshal(raw, &slug) == nil {
		return slug.Current
	}
	var s string
	_ = json.Unmarshal(raw, &s) // a slug that is neither is none
	return s
}

// Storyblok reads stories, assets and data sources (storyblok.com/docs/concepts/webhooks). Slug of a story is its full slug.
func Storyblok(_ http.Header, body []byte) ([]Change, error) {
	var d struct {
		Action         string
		StoryID        text   `json:"story_id"`
		FullSlug       string `json:"full_slug"`
		AssetID        text   `json:"asset_id"`
		DatasourceSlug string `json:"datasource_slug"`
	}
	if err := read(body, &d); err != nil {
		return nil, err
	}
	c := Change{Action: d.Action}
	switch {
	case d.StoryID != "":
		c.Type, c.ID, c.Slug = "story", string(d.StoryID), d.FullSlug
	case d.AssetID != "":
		c.Type, c.ID = "asset", string(d.AssetID)
	case d.DatasourceSlug != "":
		c.Type, c.Slug = "datasource", d.DatasourceSlug
	}
	return one(c), nil
}

// Strapi reads entries and media of versions 4 and 5 (docs.strapi.io/cms/backend-customization/webhooks). ID is the document's
// where there is one.
func Strapi(_ http.Header, body []byte) ([]Change, error) {
	type entry struct {
		ID         text
		DocumentID text `json:"documentId"`
		Slug       string
	}
	var d struct {
		Event, Model string
		Entry, Media entry
	}
	if err := read(body, &d); err != nil {
		return nil, err
	}
	c := Change{Action: d.Event, Type: d.Model}
	e := d.Entry
	if strings.HasPrefix(d.Event, "media.") {
		e, c.Type = d.Media, "media"
	}
	c.ID, c.Slug = first(string(e.DocumentID), string(e.ID)), e.Slug
	return one(c), nil
}

// Ghost reads posts, pages, tags and members (ghost.org/docs/webhooks). The payload does not say what happened; of what
// was deleted it has the previous state.
func Ghost(_ http.Header, body []byte) ([]Change, error) {
	type state struct {
		ID   text
		Slug string
	}
	var d map[string]struct{ Current, Previous state }
	if err := read(body, &d); err != nil {
		return nil, err
	}
	var changes []Change
	for _, typ := range []string{"post", "page", "tag", "member"} {
		v, ok := d[typ]
		if !ok {
			continue
		}
		c := Change{Type: typ, ID: first(string(v.Current.ID), string(v.Previous.ID)), Slug: first(v.Current.Slug, v.Previous.Slug)}
		changes = append(changes, c)
		if old := v.Previous.Slug; old != "" && old != c.Slug { // its old address changes too
			c.Slug = old
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// Prismic reads the documents of an API update (prismic.io/docs/webhooks), one change each, of type "document". An update that lists
// none is a change of type "document" without an id.
func Prismic(_ http.Header, body []byte) ([]Change, error) {
	var d struct {
		Type      string
		Documents []text
	}
	if err := read(body, &d); err != nil {
		return nil, err
	}
	if d.Type != "api-update" {
		return nil, nil
	}
	if len(d.Documents) == 0 {
		return []Change{{Action: d.Type, Type: "document"}}, nil
	}
	changes := make([]Change, len(d.Documents))
	for i, id := range d.Documents {
		changes[i] = Change{Action: d.Type, Type: "document", ID: string(id)}
	}
	return changes, nil
}

// DatoCMS reads records, uploads and models, with the default payload, and the cache tags of its "Content Delivery API
// cache tags" event (datocms.com/docs/content-management-api/resources/webhook). Type of a record is its model's api_key, where
// related_entities has it, else the model's id.
func DatoCMS(_ http.Header, body []byte) ([]Change, error) {
	type entity struct {
		ID         text
		Type       string
		Attributes struct {
			Slug   json.RawMessage
			APIKey string `json:"api_key"`
			Tags   []string
		}
		Relationships struct {
			ItemType struct{ Data struct{ ID text } } `json:"item_type"`
		}
	}
	var d struct {
		EventType       string `json:"event_type"`
		EntityType      string `json:"entity_type"`
		Entity          entity
		RelatedEntities []entity `json:"related_entities"`
	}
	if err := read(body, &d); err != nil {
		return nil, err
	}
	e := d.Entity
	c := Change{Action: d.EventType, Type: d.EntityType, ID: string(e.ID)}
	switch d.EntityType {
	case "cda_cache_tags":
		c.Tags = e.Attributes.Tags
	case "item":
		model := e.Relationships.ItemType.Data.ID
		c.Type = first(string(model), c.Type)
		for _, related := range d.RelatedEntities {
			if related.Type == "item_type" && related.ID == model && related.Attributes.APIKey != "" {
				c.Type = related.Attributes.APIKey
			}
		}
		_ = json.Unmarshal(e.Attributes.Slug, &c.Slug) // a slug in several languages is none
	}
	return one(c), nil
}

// Hygraph reads the entries and assets of its default payload (hygraph.com/docs/api-reference/basics/webhooks). Type is the
// model's name in lower case.
func Hygraph(_ http.Header, body []byte) ([]Change, error) {
	var d struct {
		Operation string
		Data      struct {
			Typename string `json:"__typename"`
			ID       text
			Slug     string
		}
	}
	if err := read(body, &d); err != nil {
		return nil, err
	}
	return one(Change{Action: d.Operation, Type: lower(d.Data.Typename), ID: string(d.Data.ID), Slug: d.Data.Slug}), nil
}

// WordPress reads what the common webhook plugins and WordPress.com send, as JSON or as a form: a post with the
// names of the database (ID, post_type, post_name) or those of the REST API (id, type, slug), alone or as member "post", and
// the hook's name. A post whose type is not said is a "post".
func WordPress(header http.Header, body []byte) ([]Change, error) {
	type post struct {
		ID       text
		PostID   text   `json:"post_id"`
		Type     string `json:"type"`
		PostType string `json:"post_type"`
		Slug     string `json:"slug"`
		PostName string `json:"post_name"`
	}
	var d struct {
		post
		Hook   string
		Action string
		Post   post
	}
	if strings.HasPrefix(header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, read([]byte("form"), &d) // the same refusal as of a body that is no JSON
		}
		d.Hook, d.ID, d.PostID = form.Get("hook"), text(form.Get("ID")), text(form.Get("post_id"))
		d.PostType, d.PostName = form.Get("post_type"), form.Get("post_name")
	} else if err := read(body, &d); err != nil {
		return nil, err
	}
	c := Change{
		Action: first(d.Hook, d.Action),
		ID:     first(string(d.Post.ID), string(d.Post.PostID), string(d.ID), string(d.PostID)),
		Slug:   first(d.Post.PostName, d.Post.Slug, d.PostName, d.Slug),
	}
	if c.ID != "" || c.Slug != "" {
		c.Type = first(d.Post.PostType, d.Post.Type, d.PostType, d.Type, "post")
	}
	return one(c), nil
}

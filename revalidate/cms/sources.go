package cms

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Contentful reads entries and assets, content types and whatever else has a webhook, with the default payload, which is the entity's JSON:
// contentful.com/developers/docs/extensibility/webhooks/overview. Action is the last part of X-Contentful-Topic (the same, /headers). Slug is the field
// of that name; an entry with several, one a locale, is a change for each. What was unpublished or deleted has its content type and no fields.
func Contentful(header http.Header, body []byte) ([]Change, error) {
	var d struct {
		Sys struct {
			Type        string
			ID          text
			ContentType struct{ Sys struct{ ID text } }
		}
		Fields json.RawMessage // an object, but a list in a content type
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
	var fields struct{ Slug map[string]json.RawMessage }
	_ = json.Unmarshal(d.Fields, &fields) // a field called slug that is something else is none
	var slugs []string
	for _, locale := range slices.Sorted(maps.Keys(fields.Slug)) {
		slugs = append(slugs, slug(fields.Slug[locale]))
	}
	return each(c, slugs), nil
}

// Sanity reads documents, with the default payload, which is the whole document, or with a projection that keeps _id, _type and slug:
// sanity.io/docs/content-lake/webhooks. Action is that of the sanity-operation field. A draft, and a version of a content release, count as their
// document. The projection of the same page that has the lists of ids of the older webhooks makes a change of type "document" for each.
func Sanity(header http.Header, body []byte) ([]Change, error) {
	var d struct {
		ID   text   `json:"_id"`
		Type string `json:"_type"`
		Slug json.RawMessage
		IDs  struct{ All []text }
	}
	if err := read(body, &d); err != nil {
		return nil, err
	}
	action := header.Get("Sanity-Operation")
	if d.Type == "" {
		var changes []Change
		for _, id := range d.IDs.All {
			if id != "" {
				changes = append(changes, Change{Action: action, Type: "document", ID: sanityID(string(id))})
			}
		}
		return changes, nil
	}
	return []Change{{
		Action: action,
		Type:   d.Type,
		ID:     sanityID(first(string(d.ID), header.Get("Sanity-Document-Id"))),
		Slug:   slug(d.Slug),
	}}, nil
}

// sanityID returns the id of the published document.
func sanityID(id string) string {
	if version, ok := strings.CutPrefix(id, "versions."); ok {
		if _, published, ok := strings.Cut(version, "."); ok {
			return published
		}
	}
	return strings.TrimPrefix(id, "drafts.")
}

// slug reads a string, or the object that Sanity has for a slug; another value is none.
func slug(raw json.RawMessage) string {
	var object struct{ Current string }
	if json.Unmarshal(raw, &object) == nil {
		return object.Current
	}
	var s string
	_ = json.Unmarshal(raw, &s)
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
		Slug       json.RawMessage
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
	c.ID, c.Slug = first(string(e.DocumentID), string(e.ID)), slug(e.Slug)
	return one(c), nil
}

// Ghost reads posts, pages, tags and members, and the event site.changed as a change of type "site": docs.ghost.org/webhooks. The payload, made by
// core/server/services/webhooks/serialize.js of Ghost, does not say what happened: it has the current state, empty of what was deleted, and of the
// previous one the fields that changed, all of them for what was deleted. A slug that changed makes a change for the old one too.
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
	for _, typ := range []string{"post", "page", "tag", "member", "site"} {
		v, ok := d[typ]
		if !ok {
			continue
		}
		c := Change{Type: typ, ID: first(string(v.Current.ID), string(v.Previous.ID))}
		changes = append(changes, each(c, []string{v.Current.Slug, v.Previous.Slug})...)
	}
	return changes, nil
}

// Prismic reads the documents of an API update, one change each, of type "document": prismic.io/docs/webhooks, and the type WebhookBodyAPIUpdate of
// @prismicio/client. A change of a release that has published nothing, which has no masterRef and no documents, is none; any other update that
// lists no documents is a change of type "document" without an id.
func Prismic(_ http.Header, body []byte) ([]Change, error) {
	var d struct {
		Type                string
		MasterRef, Releases json.RawMessage
		Documents           []text
	}
	if err := read(body, &d); err != nil {
		return nil, err
	}
	if d.Type != "api-update" || len(d.Documents) == 0 && d.MasterRef == nil && d.Releases != nil {
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
		c.Slug = slug(e.Attributes.Slug) // one in several languages is none
	}
	return one(c), nil
}

// Hygraph reads entries and assets: hygraph.com/docs/api-reference/basics/webhooks. Type is the model's name in lower case, of __typename, which is always
// there, as id is. A slug is in the entry or, where it is localised, in its localizations, each a change; neither is there where the webhook
// does not include the payload.
func Hygraph(_ http.Header, body []byte) ([]Change, error) {
	var d struct {
		Operation string
		Data      struct {
			Typename      string `json:"__typename"`
			ID            text
			Slug          json.RawMessage
			Localizations []struct{ Slug json.RawMessage }
		}
	}
	if err := read(body, &d); err != nil {
		return nil, err
	}
	slugs := []string{slug(d.Data.Slug)}
	for _, l := range d.Data.Localizations {
		slugs = append(slugs, slug(l.Slug))
	}
	return each(Change{Action: d.Operation, Type: lower(d.Data.Typename), ID: string(d.Data.ID)}, slugs), nil
}

// WordPress reads what plugins and WordPress.com send, as JSON or as a form, for WordPress itself has no webhooks: the post as WP_Post has
// it (developer.wordpress.org/reference/classes/wp_post: ID, post_type, post_name) or as the REST API has it
// (developer.wordpress.org/rest-api/reference/posts: id, type, slug), alone, as of wp_json_encode, or as member "post" beside post_id, as of the
// plugin WP Webhooks; and the hook's name, as WordPress.com sends it (wordpress.com/support/webhooks). A post whose type is not said is a "post".
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

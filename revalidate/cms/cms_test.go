package cms_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/cms"
)

func ExampleDecode() {
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	endpoint, err := revalidate.NewEndpoint(revalidate.EndpointConfig{
		Cache: cache,
		Mode:  revalidate.ModeExpire,
		Signed: func(r *http.Request, _ []byte) error { // Strapi sends a token instead of a signature
			if r.Header.Get("Authorization") != "Bearer s3cret" {
				return errors.New("wrong token")
			}
			return nil
		},
		Decode: cms.Decode(cms.Strapi, nil),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodPost, "/hooks/strapi", strings.NewReader(`{"event":"entry.publish","model":"article","entry":{"id":7,"slug":"hello"}}`))
	r.Header.Set("Authorization", "Bearer s3cret")
	rec := httptest.NewRecorder()
	endpoint.ServeHTTP(rec, r)
	fmt.Println(rec.Code, rec.Body)
	// Output: 200 {"success":true,"mode":"fresh","tags":["article","article:7","article:hello"],"paths":[]}
}

func TestSources(t *testing.T) {
	for _, row := range []struct {
		name   string
		source cms.Source
		header http.Header
		body   string
		want   string // action, type, id, slug, tags of each change
	}{
		{
			"Contentful, an entry", cms.Contentful,
			http.Header{"X-Contentful-Topic": {"ContentManagement.Entry.publish"}},
			`{"sys":{"type":"Entry","id":"5KsDBWseXY6QegucYAoacS","contentType":{"sys":{"type":"Link","linkType":"ContentType","id":"blogPost"}}},"fields":{"slug":{"en-US":"hello","de":"hallo"}}}`,
			"publish blogPost 5KsDBWseXY6QegucYAoacS hallo []; publish blogPost 5KsDBWseXY6QegucYAoacS hello []",
		},
		{
			"Contentful, an entry without a slug", cms.Contentful,
			http.Header{"X-Contentful-Topic": {"ContentManagement.Entry.auto_save"}},
			`{"metadata":{"tags":[{"sys":{"type":"Link","linkType":"Tag","id":"campaign"}}]},"sys":{"type":"Entry","id":"e","contentType":{"sys":{"type":"Link","linkType":"ContentType","id":"page"}},"environment":{"sys":{"id":"master"}}},"fields":{"title":{"en-US":"Hello"}}}`,
			"auto_save page e  []",
		},
		{
			"Contentful, an entry whose slug is a reference", cms.Contentful, nil,
			`{"sys":{"type":"Entry","id":"e","contentType":{"sys":{"id":"page"}}},"fields":{"slug":{"en-US":{"sys":{"type":"Link"}}}}}`, " page e  []",
		},
		{
			"Contentful, a content type, whose fields are a list", cms.Contentful,
			http.Header{"X-Contentful-Topic": {"ContentManagement.ContentType.publish"}},
			`{"sys":{"type":"ContentType","id":"page"},"name":"Page","fields":[{"id":"slug","type":"Symbol"}]}`, "publish contenttype page  []",
		},
		{
			"Contentful, an entry that is gone", cms.Contentful,
			http.Header{"X-Contentful-Topic": {"ContentManagement.Entry.unpublish"}},
			`{"sys":{"type":"DeletedEntry","id":"1","contentType":{"sys":{"id":"page"}}}}`, "unpublish page 1  []",
		},
		{"Contentful, an asset", cms.Contentful, nil, `{"sys":{"type":"DeletedAsset","id":"a"}}`, " asset a  []"},
		{"Sanity, a document", cms.Sanity, http.Header{"Sanity-Operation": {"update"}}, `{"_id":"drafts.abc","_type":"post","slug":{"_type":"slug","current":"hello"}}`, "update post abc hello []"},
		{"Sanity, a projection", cms.Sanity, http.Header{"Sanity-Document-Id": {"xyz"}}, `{"_type":"post","slug":"hello"}`, " post xyz hello []"},
		{"Sanity, a version of a release", cms.Sanity, http.Header{"Sanity-Operation": {"create"}}, `{"_id":"versions.rABC.abc","_type":"post","_rev":"x"}`, "create post abc  []"},
		{"Sanity, an id that only begins like one", cms.Sanity, nil, `{"_id":"versions.abc","_type":"post"}`, " post versions.abc  []"},
		{"Sanity, the projection of the older webhooks", cms.Sanity, nil, `{"transactionId":"-","ids":{"created":[null],"deleted":[null],"updated":["drafts.a"],"all":["drafts.a",null]}}`, " document a  []"},
		{"Sanity, no slug", cms.Sanity, nil, `{"_id":"a","_type":"post","slug":7}`, " post a  []"},
		{"Sanity, a projection that says nothing", cms.Sanity, nil, `{"title":"x"}`, ""},
		{"Storyblok, a story", cms.Storyblok, nil, `{"text":"...","action":"published","space_id":1,"story_id":107350529,"full_slug":"blog/hello"}`, "published story 107350529 blog/hello []"},
		{"Storyblok, an asset", cms.Storyblok, nil, `{"action":"replaced","space_id":1,"asset_id":42}`, "replaced asset 42  []"},
		{"Storyblok, a data source", cms.Storyblok, nil, `{"action":"entries_updated","space_id":1,"datasource_slug":"colors"}`, "entries_updated datasource  colors []"},
		{"Storyblok, a user", cms.Storyblok, nil, `{"action":"added","space_id":1,"user_id":3}`, ""},
		{"Strapi 4", cms.Strapi, nil, `{"event":"entry.create","created_at":"2020-01-10T08:47:36.649Z","model":"address","entry":{"id":1,"city":"Paris"}}`, "entry.create address 1  []"},
		{"Strapi 5", cms.Strapi, nil, `{"event":"entry.publish","model":"article","uid":"api::article.article","entry":{"id":2,"documentId":"abc","slug":"hello"}}`, "entry.publish article abc hello []"},
		{"Strapi, a slug that is none", cms.Strapi, nil, `{"event":"entry.update","model":"article","entry":{"id":2,"slug":{"de":"hallo"}}}`, "entry.update article 2  []"},
		{"Strapi, media", cms.Strapi, nil, `{"event":"media.update","media":{"id":9,"name":"x.png"}}`, "media.update media 9  []"},
		{"Ghost, a post whose slug changed", cms.Ghost, nil, `{"post":{"current":{"id":"5f","slug":"new"},"previous":{"slug":"old"}}}`, " post 5f new [];  post 5f old []"},
		{"Ghost, a page that was deleted", cms.Ghost, nil, `{"page":{"current":{},"previous":{"id":"5f","slug":"about"}}}`, " page 5f about []"},
		{"Ghost, a post whose title changed", cms.Ghost, nil, `{"post":{"current":{"id":"5f","uuid":"u","title":"b","slug":"same","tags":[],"authors":[]},"previous":{"title":"a","updated_at":"2024-01-01T00:00:00.000Z"}}}`, " post 5f same []"},
		{"Ghost, the site", cms.Ghost, nil, `{"site":{"current":{},"previous":{}}}`, " site   []"},
		{"Ghost, something else", cms.Ghost, nil, `{"subscription":{}}`, ""},
		{"Prismic", cms.Prismic, nil, `{"type":"api-update","secret":"s","masterRef":"X","domain":"d","documents":["WvAAA","WvBBB"]}`, "api-update document WvAAA  []; api-update document WvBBB  []"},
		{"Prismic, an update that lists no documents", cms.Prismic, nil, `{"type":"api-update","masterRef":"X","releases":{},"masks":{},"tags":{"addition":[{"id":"t"}]},"documents":[]}`, "api-update document   []"},
		{"Prismic, an update that says nothing", cms.Prismic, nil, `{"type":"api-update"}`, "api-update document   []"},
		{"Prismic, a release that is not published", cms.Prismic, nil, `{"type":"api-update","secret":null,"domain":"d","apiUrl":"https://d.prismic.io/api","releases":{"update":[{"id":"r","ref":"x","label":"l","documents":["WvAAA"]}]},"masks":{},"tags":{},"documents":[]}`, ""},
		{"Prismic, a test", cms.Prismic, nil, `{"type":"test-trigger"}`, ""},
		{
			"DatoCMS, a record", cms.DatoCMS, nil,
			`{"environment":"main","entity_type":"item","event_type":"publish","entity":{"type":"item","id":"348295724","attributes":{"slug":"hello"},"relationships":{"item_type":{"data":{"type":"item_type","id":"7690234"}}}},"related_entities":[{"type":"user","id":"1"},{"type":"item_type","id":"7690234","attributes":{"api_key":"blog_post"}}]}`,
			"publish blog_post 348295724 hello []",
		},
		{"DatoCMS, a record without its model", cms.DatoCMS, nil, `{"entity_type":"item","event_type":"update","entity":{"id":"1","attributes":{"slug":{"en":"x"}},"relationships":{"item_type":{"data":{"id":"77"}}}}}`, "update 77 1  []"},
		{"DatoCMS, an upload", cms.DatoCMS, nil, `{"entity_type":"upload","event_type":"delete","entity":{"id":"5"}}`, "delete upload 5  []"},
		{"DatoCMS, cache tags", cms.DatoCMS, nil, `{"entity_type":"cda_cache_tags","event_type":"invalidate","entity":{"id":"cda_cache_tags","type":"cda_cache_tags","attributes":{"tags":["N*r;L","6-KZ@"]}}}`, "invalidate cda_cache_tags cda_cache_tags  [N*r;L 6-KZ@]"},
		{"Hygraph", cms.Hygraph, nil, `{"operation":"publish","data":{"__typename":"Post","id":"ckr","slug":"hello","stage":"PUBLISHED"}}`, "publish post ckr hello []"},
		{"Hygraph, slugs in several languages", cms.Hygraph, nil, `{"operation":"publish","data":{"__typename":"Post","id":"ckr","stage":"PUBLISHED","localizations":[{"locale":"en","slug":"hello"},{"locale":"de","slug":"hallo"},{"locale":"at","slug":"hallo"}]}}`, "publish post ckr hello []; publish post ckr hallo []"},
		{"Hygraph without payload", cms.Hygraph, nil, `{"operation":"unpublish","data":{"__typename":"Post","id":"ckr","stage":"PUBLISHED"}}`, "unpublish post ckr  []"},
		{"Hygraph, nothing", cms.Hygraph, nil, `{}`, ""},
		{"WordPress, a plugin", cms.WordPress, nil, `{"post_id":12,"post":{"ID":12,"post_type":"page","post_name":"about"}}`, " page 12 about []"},
		{"WordPress, a WP_Post", cms.WordPress, nil, `{"ID":12,"post_author":"1","post_date":"2024-01-01 00:00:00","post_status":"publish","post_name":"about","post_type":"page","filter":"raw"}`, " page 12 about []"},
		{"WordPress, a plugin that has an id and no slug", cms.WordPress, nil, `{"id":823,"title":"Post Test","url":"https://wp.test/post-test/","author":{"name":"admin"}}`, " post 823  []"},
		{"WordPress, the REST shape", cms.WordPress, nil, `{"action":"post_updated","id":5,"type":"post","slug":"hello"}`, "post_updated post 5 hello []"},
		{"WordPress, a form", cms.WordPress, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "hook=publish_post&ID=7&post_name=hello", "publish_post post 7 hello []"},
		{"WordPress, nothing", cms.WordPress, nil, `{"hook":"switch_theme"}`, ""},
	} {
		header := row.header
		if header == nil {
			header = http.Header{}
		}
		changes, err := row.source(header, []byte(row.body))
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		var got []string
		for _, c := range changes {
			got = append(got, fmt.Sprintf("%s %s %s %s %v", c.Action, c.Type, c.ID, c.Slug, c.Tags))
		}
		if strings.Join(got, "; ") != row.want {
			t.Errorf("%s: got %q, want %q", row.name, strings.Join(got, "; "), row.want)
		}
	}
}

func TestBodiesThatNoSourceReads(t *testing.T) {
	for name, source := range map[string]cms.Source{
		"Contentful": cms.Contentful, "Sanity": cms.Sanity, "Storyblok": cms.Storyblok, "Strapi": cms.Strapi, "Ghost": cms.Ghost,
		"Prismic": cms.Prismic, "DatoCMS": cms.DatoCMS, "Hygraph": cms.Hygraph, "WordPress": cms.WordPress,
	} {
		for _, body := range []string{"", "x", "[]", `{"sys":{"id":[]},"_id":[],"story_id":[],"entry":{"id":[]},"post":{"current":{"id":[]}},"documents":[[]],"entity":{"id":[]},"data":{"id":[]},"id":[]}`} {
			if _, err := source(http.Header{}, []byte(body)); !errors.Is(err, revalidate.ErrBody) {
				t.Errorf("%s: %q: %v", name, body, err)
			}
		}
	}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if _, err := cms.WordPress(form, []byte("a=%zz")); !errors.Is(err, revalidate.ErrBody) {
		t.Errorf("a form that is none: %v", err)
	}
}

func TestTags(t *testing.T) {
	for _, row := range []struct {
		c    cms.Change
		want string
	}{
		{cms.Change{Type: "post", ID: "7", Slug: "hello"}, "[post post:7 post:hello]"},
		{cms.Change{Type: "post"}, "[post]"},
		{cms.Change{Type: "post", Slug: "grüße 100%"}, "[post post:gr%C3%BC%C3%9Fe%20100%25]"},
		{cms.Change{Type: "post", Tags: []string{"x"}}, "[x]"},
		{cms.Change{ID: "7"}, "[]"},
	} {
		got := cms.Tags(row.c)
		if fmt.Sprint(got) != row.want {
			t.Errorf("%+v: %v, want %s", row.c, got, row.want)
		}
		for _, tag := range got {
			if err := revalidate.CheckTag(tag); err != nil {
				t.Errorf("%q: %v", tag, err)
			}
		}
	}
}

func TestDecode(t *testing.T) {
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cache.Close(context.Background()) }()
	for _, row := range []struct {
		name   string
		body   string
		tags   func(cms.Change) []string
		status int
		answer string
	}{
		{"the default tags", `{"operation":"publish","data":{"__typename":"Post","id":"a"}}`, nil, 200, `{"success":true,"mode":"stale","tags":["post","post:a"],"paths":[]}`},
		{"tags of one's own", `{"operation":"publish","data":{"__typename":"Post","id":"a"}}`, func(c cms.Change) []string { return []string{"all-" + c.Type + "s"} }, 200, `{"success":true,"mode":"stale","tags":["all-posts"],"paths":[]}`},
		{"a change that is ignored", `{"operation":"create","data":{"__typename":"Post","id":"a"}}`, func(cms.Change) []string { return nil }, 200, `{"success":true,"mode":"stale","tags":[],"paths":[]}`},
		{"a delivery that changes nothing", `{}`, nil, 200, `{"success":true,"mode":"stale","tags":[],"paths":[]}`},
		{"a tag that breaks a rule", `{"operation":"create","data":{"__typename":"Post","id":"a"}}`, func(cms.Change) []string { return []string{"a b"} }, 400, ""},
		{"no JSON", `x`, nil, 400, ""},
	} {
		e, err := revalidate.NewEndpoint(revalidate.EndpointConfig{
			Cache: cache, Signed: func(*http.Request, []byte) error { return nil }, Decode: cms.Decode(cms.Hygraph, row.tags), Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, httptest.NewRequest("POST", "/", strings.NewReader(row.body)))
		if rec.Code != row.status || row.answer != "" && rec.Body.String() != row.answer {
			t.Errorf("%s: %d %s", row.name, rec.Code, rec.Body)
		}
	}
}

func FuzzSources(f *testing.F) {
	for _, s := range []string{`{"sys":{"type":"Entry","id":"1"}}`, `{"_id":"a","_type":"b","slug":{"current":"c"}}`, `{"post":{"current":{"id":1}}}`, `ID=7&post_name=x`} {
		f.Add(s)
	}
	sources := []cms.Source{cms.Contentful, cms.Sanity, cms.Storyblok, cms.Strapi, cms.Ghost, cms.Prismic, cms.DatoCMS, cms.Hygraph, cms.WordPress}
	f.Fuzz(func(t *testing.T, body string) {
		for _, source := range sources {
			for _, header := range []http.Header{{}, {"Content-Type": {"application/x-www-form-urlencoded"}}} {
				changes, err := source(header, []byte(body))
				if err != nil && !errors.Is(err, revalidate.ErrBody) {
					t.Error(err)
				}
				for _, c := range changes {
					if c.Type == "" && len(c.Tags) == 0 {
						t.Errorf("%+v", c)
					}
				}
			}
		}
	})
}

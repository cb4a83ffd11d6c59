package provider

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// entry makes one provider's scheme from secrets.
type entry struct {
	id   string
	make func(secrets []webhook.Secret) webhook.Scheme
}

// entries returns every provider, in order of id.
func entries() []entry {
	return []entry{
		{"adyen", func(s []webhook.Secret) webhook.Scheme { return Adyen{Secrets: s} }},
		{"aws-sns", func(s []webhook.Secret) webhook.Scheme { return AmazonSNS{Secrets: s} }},
		{"bitbucket", func(s []webhook.Secret) webhook.Scheme { return Bitbucket{Secrets: s} }},
		{"bitbucket-server", func(s []webhook.Secret) webhook.Scheme { return BitbucketServer{Secrets: s} }},
		{"clerk", func(s []webhook.Secret) webhook.Scheme { return Clerk{Secrets: s} }},
		{"cloudevents", func(s []webhook.Secret) webhook.Scheme { return CloudEvents{Secrets: s} }},
		{"contentful", func(s []webhook.Secret) webhook.Scheme { return Contentful{Secrets: s} }},
		{"datocms", func(s []webhook.Secret) webhook.Scheme { return DatoCMS{Secrets: s} }},
		{"discord", func(s []webhook.Secret) webhook.Scheme { return Discord{Secrets: s} }},
		{"dropbox", func(s []webhook.Secret) webhook.Scheme { return Dropbox{Secrets: s} }},
		{"ghost", func(s []webhook.Secret) webhook.Scheme { return Ghost{Secrets: s} }},
		{"gitea", func(s []webhook.Secret) webhook.Scheme { return Gitea{Secrets: s} }},
		{"github", func(s []webhook.Secret) webhook.Scheme { return GitHub{Secrets: s} }},
		{"gitlab", func(s []webhook.Secret) webhook.Scheme { return GitLab{Secrets: s} }},
		{"hubspot", func(s []webhook.Secret) webhook.Scheme { return HubSpot{Secrets: s} }},
		{"hygraph", func(s []webhook.Secret) webhook.Scheme { return Hygraph{Secrets: s} }},
		{"intercom", func(s []webhook.Secret) webhook.Scheme { return Intercom{Secrets: s} }},
		{"lemonsqueezy", func(s []webhook.Secret) webhook.Scheme { return LemonSqueezy{Secrets: s} }},
		{"line", func(s []webhook.Secret) webhook.Scheme { return LINE{Secrets: s} }},
		{"linear", func(s []webhook.Secret) webhook.Scheme { return Linear{Secrets: s} }},
		{"mailgun", func(s []webhook.Secret) webhook.Scheme { return Mailgun{Secrets: s} }},
		{"meta", func(s []webhook.Secret) webhook.Scheme { return Meta{Secrets: s} }},
		{"msgraph", func(s []webhook.Secret) webhook.Scheme { return MicrosoftGraph{Secrets: s} }},
		{"openai", func(s []webhook.Secret) webhook.Scheme { return OpenAI{Secrets: s} }},
		{"paddle", func(s []webhook.Secret) webhook.Scheme { return Paddle{Secrets: s} }},
		{"paypal", func(s []webhook.Secret) webhook.Scheme { return PayPal{Secrets: s} }},
		{"prismic", func(s []webhook.Secret) webhook.Scheme { return Prismic{Secrets: s} }},
		{"resend", func(s []webhook.Secret) webhook.Scheme { return Resend{Secrets: s} }},
		{"rfc9421", func(s []webhook.Secret) webhook.Scheme { return RFC9421{Secrets: s} }},
		{"sanity", func(s []webhook.Secret) webhook.Scheme { return Sanity{Secrets: s} }},
		{"sendgrid", func(s []webhook.Secret) webhook.Scheme { return SendGrid{Secrets: s} }},
		{"shopify", func(s []webhook.Secret) webhook.Scheme { return Shopify{Secrets: s} }},
		{"slack", func(s []webhook.Secret) webhook.Scheme { return Slack{Secrets: s} }},
		{"square", func(s []webhook.Secret) webhook.Scheme { return Square{Secrets: s} }},
		{"standardwebhooks", func(s []webhook.Secret) webhook.Scheme { return StandardWebhooks{Secrets: s} }},
		{"storyblok", func(s []webhook.Secret) webhook.Scheme { return Storyblok{Secrets: s} }},
		{"strapi", func(s []webhook.Secret) webhook.Scheme { return Strapi{Secrets: s} }},
		{"stripe", func(s []webhook.Secret) webhook.Scheme { return Stripe{Secrets: s} }},
		{"svix", func(s []webhook.Secret) webhook.Scheme { return Svix{Secrets: s} }},
		{"telegram", func(s []webhook.Secret) webhook.Scheme { return Telegram{Secrets: s} }},
		{"token", func(s []webhook.Secret) webhook.Scheme { return Token{Secrets: s, Query: "token"} }},
		{"twilio", func(s []webhook.Secret) webhook.Scheme { return Twilio{Secrets: s} }},
		{"typeform", func(s []webhook.Secret) webhook.Scheme { return Typeform{Secrets: s} }},
		{"vercel", func(s []webhook.Secret) webhook.Scheme { return Vercel{Secrets: s} }},
		{"webflow", func(s []webhook.Secret) webhook.Scheme { return Webflow{Secrets: s} }},
		{"websub", func(s []webhook.Secret) webhook.Scheme { return WebSub{Secrets: s} }},
		{"woocommerce", func(s []webhook.Secret) webhook.Scheme { return WooCommerce{Secrets: s} }},
		{"x", func(s []webhook.Secret) webhook.Scheme { return X{Secrets: s} }},
		{"zendesk", func(s []webhook.Secret) webhook.Scheme { return Zendesk{Secrets: s} }},
		{"zoom", func(s []webhook.Secret) webhook.Scheme { return Zoom{Secrets: s} }},
	}
}

// New returns the scheme of the provider with this id, for configuration files; a program that knows its provider writes the struct, which has
// more to set. Secrets are in the provider's own format, newest first. The error says that no provider has the id.
func New(id string, secrets ...webhook.Secret) (webhook.Scheme, error) {
	for _, e := range entries() {
		if e.id == id {
			return e.make(slices.Clone(secrets)), nil
		}
	}
	return nil, fmt.Errorf("provider: no provider has the id %q", id)
}

// Inspect is New for looking at a captured delivery with nothing but its secret at hand. Where New demands to know more, or takes only the
// stronger of two signatures, Inspect does not:
//
//   - aws-sns: a message of any topic;
//   - cloudevents: a handshake from any origin;
//   - hubspot: versions 1 and 2 as well;
//   - meta: a handshake whose verify token is the last of secrets;
//   - strapi, datocms: the token in any header field, since settings name it;
//   - token: in the query, in Authorization (Bearer) or in the field X-Webhook-Token;
//   - websub: a handshake for any topic;
//   - rfc9421: whatever a signature covers will do, even nothing of the body (Event.SignedHeaders says what it covers); a shared secret that
//     is not base64 is used as text.
//
// A receiver must not use it.
func Inspect(id string, secrets ...webhook.Secret) (webhook.Scheme, error) {
	scheme, err := New(id, secrets...)
	if err != nil {
		return nil, err
	}
	switch s := scheme.(type) {
	case AmazonSNS:
		s.InsecureAnyTopic = true
		return s, nil
	case CloudEvents:
		s.Origins = []string{"*"}
		return s, nil
	case HubSpot:
		s.InsecureLegacy = true
		return s, nil
	case Meta:
		if len(secrets) > 0 {
			s.VerifyToken = secrets[len(secrets)-1]
		}
		return s, nil
	case Strapi:
		s.anyHeader = true
		return s, nil
	case DatoCMS:
		s.anyHeader = true
		return s, nil
	case Token:
		s.Bearer, s.Header = true, "X-Webhook-Token"
		s.Methods = []string{http.MethodPost, http.MethodGet}
		return s, nil
	case WebSub:
		s.anyTopic = true
		return s, nil
	case RFC9421:
		s.rawSecrets, s.InsecureUnsignedBody, s.Components = true, true, []string{}
		return s, nil
	}
	return scheme, nil
}

// IDs returns the ids that New knows, in alphabetical order.
func IDs() []string {
	var ids []string
	for _, e := range entries() {
		ids = append(ids, e.id)
	}
	return ids
}

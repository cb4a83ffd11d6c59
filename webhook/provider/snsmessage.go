package provider

import (
	"crypto"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// snsHost reports whether host is one of SNS: "sns.", a region such as "us-gov-west-1", and Amazon's domain. Amazon's own libraries take
// any label for a region; then a bucket named "sns" passes (sns.s3-us-west-2.amazonaws.com), and it is anyone's.
func snsHost(host string) bool {
	region, ok := strings.CutPrefix(host, "sns.")
	region = strings.TrimSuffix(region, ".cn")
	region, suffix := strings.CutSuffix(region, ".amazonaws.com")
	parts := strings.Split(region, "-")
	last := len(parts) - 1
	if !ok || !suffix || last < 2 || parts[last] == "" || strings.Trim(parts[last], "0123456789") != "" {
		return false
	}
	return !slices.ContainsFunc(parts[:last], func(part string) bool {
		return part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz") != ""
	})
}

func snsCertificateURL(u *url.URL) bool { return snsHost(u.Host) && strings.HasSuffix(u.Path, ".pem") }

// snsMessage is a message, as far as it matters to the proof.
type snsMessage struct {
	Type             string
	MessageID        string `json:"MessageId"`
	Token            *string
	TopicArn         string
	Subject          *string
	Message          string
	SubscribeURL     *string
	Timestamp        string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
}

// signed returns what Amazon signs, "" for a type that it does not send.
func (m *snsMessage) signed() string {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	optional := func(name string, value *string) {
		if value != nil {
			line(name, *value)
		}
	}
	switch m.Type {
	case "Notification":
		line("Message", m.Message)
		line("MessageId", m.MessageID)
		optional("Subject", m.Subject)
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		line("Message", m.Message)
		line("MessageId", m.MessageID)
		optional("SubscribeURL", m.SubscribeURL)
	default:
		return ""
	}
	line("Timestamp", m.Timestamp)
	if m.Type != "Notification" {
		optional("Token", m.Token)
	}
	line("TopicArn", m.TopicArn)
	line("Type", m.Type)
	return b.String()
}

// ambiguous reports whether a signed member beside Message has a line break, which Amazon never sends: what is signed could then be read as
// another message, with Message cut at a line of its own that looks like the next member's name.
func (m *snsMessage) ambiguous() bool {
	members := [...]*string{&m.Type, &m.MessageID, &m.TopicArn, &m.Timestamp, m.Subject, m.Token, m.SubscribeURL}
	return slices.ContainsFunc(members[:], func(member *string) bool { return member != nil && strings.Contains(*member, "\n") })
}

// snsHash returns the hash of a SignatureVersion.
func snsHash(version string) (crypto.Hash, error) {
	switch version {
	case "1":
		return crypto.SHA1, nil
	case "2":
		return crypto.SHA256, nil
	}
	return 0, fmt.Errorf("%w: SignatureVersion %.20q", webhook.ErrSignatureFormat, version)
}

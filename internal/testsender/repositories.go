package testsender

// repositories are the hosts of code, and those who sign as they do: the body alone.
func repositories() []Provider {
	of := func(id, field, prefix string, more ...string) Provider {
		return Provider{ID: id, Keys: plain(), Proof: field, Prefix: prefix, Hex: true, Strong: true, Send: func(d Delivery) Request {
			return d.post(append([]string{field, prefix + hex256(d.Key.Sender, d.Body)}, more...)...)
		}}
	}
	legacy := func(id, field, prefix string) Provider { // HMAC-SHA1
		return Provider{ID: id, Keys: plain(), Proof: field, Prefix: prefix, Hex: true, Strong: true, Send: func(d Delivery) Request {
			return d.post(field, prefix+hex1(d.Key.Sender, d.Body))
		}}
	}
	return []Provider{
		of("github", "X-Hub-Signature-256", "sha256=", "X-GitHub-Event", "push", "X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
		of("bitbucket", "X-Hub-Signature", "sha256=", "X-Event-Key", "repo:push", "X-Request-UUID", "1"),
		of("bitbucket-server", "X-Hub-Signature", "sha256=", "X-Event-Key", "pr:opened", "X-Request-Id", "1"),
		of("gitea", "X-Gitea-Signature", "", "X-Gitea-Event", "push", "X-Gitea-Delivery", "1"),
		of("meta", "X-Hub-Signature-256", "sha256="),
		of("dropbox", "X-Dropbox-Signature", ""),
		of("lemonsqueezy", "X-Signature", "", "X-Event-Name", "order_created"),
		legacy("intercom", "X-Hub-Signature", "sha1="),
		legacy("vercel", "X-Vercel-Signature", ""),
		legacy("storyblok", "Webhook-Signature", ""),
	}
}

package provider_test

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// A multipart form is read as mime/multipart reads it, or not at all.
func FuzzMultipart(f *testing.F) {
	const disposition = "Content-Disposition: form-data; name="
	part := func(header, value string) string { return "--b\r\n" + header + "\r\n\r\n" + value + "\r\n" }
	token := part(disposition+`"token"`, "tok")
	for _, body := range []string{
		token + "--b--\r\n", token + "--b--", part(disposition+"token", "") + token + "--b--\r\n", "x\r\n" + token + "--b--", token + "--b--x", "--b--", token,
		part("content-disposition: FORM-DATA ;\tName=\"token\" ; filename=\"a\\\"b;c\"\r\nContent-Type: text/plain", "tok") + token + "--b--",
		part(disposition+`"token"; filename=""`, "tok") + "--b--", part(disposition+`"token"; filename*=utf-8''x`, "no") + token + "--b--",
		part(disposition+`"to\ken"`, "tok") + "--b--", part("Content-Disposition: form-data; name*=utf-8''token", "tok") + "--b--",
		part("Content-Disposition: form-data; name*0=to; name*1=ken", "tok") + "--b--", part(disposition+`"token"; name="event"`, "tok") + "--b--",
		part(disposition+"\"token\"\r\nContent-Transfer-Encoding: quoted-printable", "to=6B") + "--b--", part(disposition+"\"token\"\r\n x", "tok") + "--b--",
		part(disposition+`"token"`, "a\r\n--bb\r\n--") + "--b--", "--b\n" + disposition + "token\n\ntok\n--b--\n", "--b \r\n" + disposition + "token\r\n\r\ntok\r\n--b--",
		"--b\r\n" + disposition + "token\r\n\r\n--b--", part(disposition+"token\r\nX\x00: y", "tok") + "--b--", part(disposition+"token\r\nX: \x01", "tok") + "--b--",
	} {
		f.Add(body, "multipart/form-data; boundary=b")
	}
	f.Add(token, `multipart/form-data; boundary="b"; x=y`)
	f.Add(token, "multipart/form-data; boundary=b;")
	f.Add(token, `multipart/form-data; boundary="\b"`)
	f.Add(token, "Multipart/Form-Data;Boundary="+strings.Repeat("b", 71))
	v := delivery{scheme: provider.Mailgun{Secrets: secret("key")}}.prepared(f)
	f.Fuzz(func(t *testing.T, body, contentType string) {
		base, _, _ := strings.Cut(contentType, ";")
		if !strings.EqualFold(strings.TrimSpace(base), "multipart/form-data") {
			return
		}
		r := delivery{}.request(t)
		r.Header.Set("Content-Type", contentType)
		e := describe(v, r, []byte(body), webhook.Proof{})
		if !e.IDSigned || strings.Contains(body, "*") {
			return // refused; or a file's name in some charset, which is not looked at
		}
		_, params, err := mime.ParseMediaType(contentType)
		if err != nil {
			t.Fatalf("%q is accepted: %v", contentType, err)
		}
		token := ""
		for parts := multipart.NewReader(strings.NewReader(body), params["boundary"]); ; {
			part, err := parts.NextPart()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%q is accepted: %v", body, err)
			}
			value, err := io.ReadAll(part)
			if err != nil {
				t.Fatalf("%q is accepted: %v", body, err)
			}
			if part.FormName() == "token" && part.FileName() == "" {
				token = string(value)
			}
		}
		if token != e.ID {
			t.Fatalf("%q: the token is %q, want %q", body, e.ID, token)
		}
	})
}

package reqcopy_test

import (
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/reqcopy"
)

func TestHandBack(t *testing.T) {
	early, late := &multipart.Form{}, &multipart.Form{}
	outer := &http.Request{}
	reqcopy.HandBack(outer, &http.Request{Pattern: "GET /a", MultipartForm: early})
	if outer.Pattern != "GET /a" || outer.MultipartForm != early {
		t.Errorf("%q %v", outer.Pattern, outer.MultipartForm)
	}
	reqcopy.HandBack(outer, &http.Request{MultipartForm: late})
	if outer.MultipartForm != early {
		t.Error("a form whose files net/http knows was replaced")
	}
	reqcopy.HandBack(outer, outer)
	if outer.MultipartForm != early {
		t.Error("a request that was not copied has changed")
	}
}

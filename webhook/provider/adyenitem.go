package provider

import (
	"bytes"
	"fmt"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Fields of a notification that Adyen signs, in this order.
const (
	adyenReference = iota
	adyenOriginal
	adyenMerchant
	adyenMerchantReference
	adyenValue
	adyenCurrency
	adyenEventCode
	adyenSuccess
	adyenFields
)

// adyenItem is a notification, as far as it is signed: raw JSON values, nil where there is none. It is read from the body each time it
// is needed, and not kept: a body may have any number.
type adyenItem struct {
	signed    [adyenFields][]byte
	signature []byte // its text
}

// adyenList returns the raw notifications of a standard delivery.
func adyenList(read *strictReader, body []byte) (list []byte, err error) {
	object, err := read.object(body)
	if err != nil {
		return nil, err
	}
	for name, value := range read.pairs(object) {
		if string(name) == "notificationItems" {
			list = value
		}
	}
	if list != nil && !isArray(list) {
		return nil, fmt.Errorf("%w: notificationItems is no array", webhook.ErrPayload)
	}
	return list, nil
}

// adyenItems returns the notifications of a standard delivery.
func adyenItems(body []byte) (items []adyenItem, err error) {
	var read strictReader
	list, err := adyenList(&read, body)
	if err != nil {
		return nil, err
	}
	for element := range elementsIn(list) {
		var item adyenItem
		if !item.read(&read, element) {
			return nil, fmt.Errorf("%w: notification %d is none of Adyen's", webhook.ErrPayload, len(items))
		}
		items = append(items, item)
	}
	return items, nil
}

// read reads an element of the list. It reports whether all that is signed in it is of the right kind. A colon may be in one field alone: with
// two such, one signature would be that of several notifications.
func (i *adyenItem) read(read *strictReader, element []byte) bool {
	ok := isObject(element)
	for name, value := range read.pairs(element) {
		if string(name) == "NotificationRequestItem" {
			ok = ok && isObject(value)
			for name, value := range read.pairs(value) {
				ok = ok && i.set(read, string(name), value)
			}
		}
	}
	for field, value := range i.signed {
		ok = ok && (field == adyenMerchantReference || bytes.IndexByte(read.unquoted(value), ':') < 0)
	}
	return ok
}

// set takes the raw value of a member of the notification. It reports whether the member may have such a value.
func (i *adyenItem) set(read *strictReader, name string, value []byte) bool {
	switch name {
	case "pspReference":
		i.signed[adyenReference] = value
	case "originalReference":
		i.signed[adyenOriginal] = value
	case "merchantAccountCode":
		i.signed[adyenMerchant] = value
	case "merchantReference":
		i.signed[adyenMerchantReference] = value
	case "eventCode":
		i.signed[adyenEventCode] = value
	case "success":
		i.signed[adyenSuccess] = value
		return isScalar(value)
	case "amount":
		return isObject(value) && i.setAmount(read, value)
	case "additionalData":
		return isObject(value) && i.setSignature(read, value)
	default:
		return true
	}
	return isString(value)
}

func (i *adyenItem) setAmount(read *strictReader, amount []byte) bool {
	ok := true
	for name, value := range read.pairs(amount) {
		switch string(name) {
		case "value":
			i.signed[adyenValue] = value
			ok = ok && isScalar(value)
		case "currency":
			i.signed[adyenCurrency] = value
			ok = ok && isString(value)
		}
	}
	return ok
}

func (i *adyenItem) setSignature(read *strictReader, data []byte) bool {
	ok := true
	for name, value := range read.pairs(data) {
		if string(name) == "hmacSignature" {
			i.signature = read.unquoted(value)
			ok = isString(value)
		}
	}
	return ok
}

// text returns the text of a signed field.
func (i *adyenItem) text(field int) string { return string(appendUnquoted(nil, i.signed[field])) }

// mac returns the signature that key makes, valid until s is given back.
func (i *adyenItem) mac(s *state) []byte {
	for field, raw := range i.signed {
		if field > 0 {
			s.buf = append(s.buf, ':')
		}
		s.buf = appendUnquoted(s.buf, raw)
	}
	return s.encoded(Base64)
}

// isSignedBy reports whether the signature is key's.
func (i *adyenItem) isSignedBy(key *keyed) bool {
	s := key.begin()
	defer key.end(s)
	return same(i.signature, i.mac(s))
}

// sign returns the signature that key makes.
func (i *adyenItem) sign(key *keyed) string {
	s := key.begin()
	defer key.end(s)
	return string(i.mac(s))
}

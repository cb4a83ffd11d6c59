package provider

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// decodeStrict reads JSON in which the proof itself travels. A name given twice, a name in another case and text that is not UTF-8 are
// refused: else one value could be verified and another be used.
func decodeStrict(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: not the JSON that the provider sends", webhook.ErrPayload) // not err: it may quote a secret
	}
	return nil
}

// edit returns the JSON object body with what change does to it. It is for signing: what is written is not what was read, byte for byte.
func edit(body []byte, change func(object map[string]any)) ([]byte, error) {
	object := map[string]any{}
	if len(bytes.TrimSpace(body)) > 0 {
		d := stdjson.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&object); err != nil || object == nil {
			return nil, errors.New("provider: the body must be a JSON object, to carry the signature")
		}
	}
	change(object)
	var b bytes.Buffer
	e := stdjson.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(object); err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// objectsIn returns the JSON objects in the array object[name], which it makes when there is none, with object's other members in its
// one element.
func objectsIn(object map[string]any, name string) []map[string]any {
	list, ok := object[name].([]any)
	if !ok || len(list) == 0 {
		only := map[string]any{}
		for member, value := range object {
			if member != name {
				only[member] = value
				delete(object, member)
			}
		}
		list = []any{only}
		object[name] = list
	}
	var objects []map[string]any
	for _, element := range list {
		if o, ok := element.(map[string]any); ok {
			objects = append(objects, o)
		}
	}
	return objects
}

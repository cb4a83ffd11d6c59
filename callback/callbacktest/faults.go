package callbacktest

// Faults are the ways in which a [Provider] misbehaves. The zero value is a provider that keeps to the specifications.
type Faults struct {
	// In the ID token.
	IDTokenMissing   bool // the token endpoint sends none
	NonceMissing     bool
	NonceWrong       bool
	AudienceWrong    bool // aud names another client
	AudienceExtra    bool // aud names another client too, and azp is missing
	AuthorizedWrong  bool // azp names another client
	Expired          bool // exp is an hour ago
	IssuedAtMissing  bool
	IssuedInFuture   bool // iat is in an hour
	IssuedLongAgo    bool // iat is an hour before the login
	IssuerWrong      bool // iss is another provider
	SubjectMissing   bool
	KeyUnknown       bool // signed with a key that is not published, under the name of one that is
	AlgorithmNone    bool // alg is "none", without signature
	AlgorithmHMAC    bool // alg is HS256, with the client secret as key
	AccessHashWrong  bool // at_hash is of another access token
	AuthTimeMissing  bool
	AuthTimeLongAgo  bool // auth_time is a day ago
	SignatureDamaged bool

	// At the userinfo endpoint.
	UserInfoOther bool // the claims are another subject's
	UserInfoFails bool

	// In the authorization response.
	ResponseIssuerWrong   bool   // iss is another provider
	ResponseIssuerMissing bool   // iss is missing although the metadata says that it is sent
	StateMissing          bool   // state is missing
	StateWrong            bool   // state is another one
	StateTwice            bool   // state is sent twice
	Error                 string // an error is sent in place of a code
	ErrorWithCode         string // an error is sent together with a code

	// In the metadata.
	NoResponseIssuer bool // iss is neither advertised nor sent, as with most providers
	NoPushed         bool // pushed authorization requests are not offered
	NoEndSession     bool // there is no end-session endpoint
	MetadataIssuer   string

	// At the token endpoint.
	TokenFails       bool // it answers 500 and repeats the request
	CodeRefused      bool // it answers invalid_grant
	PushedFails      bool // the endpoint of pushed authorization requests answers 500
	RefreshOther     bool // a refreshed ID token is another subject's
	RefreshNoIDToken bool
}

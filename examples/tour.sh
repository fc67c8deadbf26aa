api=${XFCHAT_API:-http://localhost:3000/api}
json='content-type: application/json'
signup() { curl -s $api/auth/signup -H "$json" -d "{\"username\":\"$1\",\"email\":\"$1@example.com\",\"password\":\"correct horse\"}"; }
field() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }

ada=$(signup ada)
grace=$(signup grace)
as_ada="authorization: Bearer $(echo "$ada" | field token)"
as_grace="authorization: Bearer $(echo "$grace" | field token)"

# The one conversation of the two, made if it is missing. The user's id is in the answer to the sign-up.
grace_id=$(echo "$grace" | sed 's/.*"user":{"id":"\([^"]*\)".*/\1/')
chat=$(curl -s -X PUT $api/conversations/direct/$grace_id -H "$as_ada" | sed 's/{"id":"\([^"]*\)".*/\1/')

# Ada listens; this goes on until you stop it.
curl -sN $api/conversations/$chat/messages -H "$as_ada" -H 'subscribe: true' &

# Grace writes, under an id that she chooses: sending it again changes nothing.
curl -s -X PUT $api/conversations/$chat/messages/8f14e45f-ceea-4e7a-9c1b-0a4d3f6b2c11 \
  -H "$as_grace" -H "$json" -d '{"content":"Hello, Ada"}'

# What Ada missed since version 0, had she been cut off: a subscription resumes at the version in `Parents`.
curl -sN $api/conversations/$chat/messages -H "$as_ada" -H 'subscribe: true' -H 'parents: "0"' --max-time 2

# Enough.
kill $!

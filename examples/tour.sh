api=${XFCHAT_API:-http://localhost:3000/api}
json='content-type: application/json'
signup() { curl -s $api/auth/signup -H "$json" -d "{\"username\":\"$1\",\"email\":\"$1@example.com\",\"password\":\"correct horse\"}"; }
field() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }

ada=$(signup ada)
grace=$(signup grace)
as_ada="authorization: Bearer $(echo "$ada" | field token)"
as_grace="authorization: Bearer $(echo "$grace" | field token)"

# Get the conversation of the two, which is created if it does not exist. The answer to a sign-up has the user's id.
grace_id=$(echo "$grace" | sed 's/.*"user":{"id":"\([^"]*\)".*/\1/')
chat=$(curl -s -X PUT $api/conversations/direct/$grace_id -H "$as_ada" | sed 's/{"id":"\([^"]*\)".*/\1/')

# Ada listens, until the stream is stopped.
curl -sN $api/conversations/$chat/messages -H "$as_ada" -H 'subscribe: true' &

# Grace sends a message under an id that she chooses. Sending it again changes nothing.
curl -s -X PUT $api/conversations/$chat/messages/8f14e45f-ceea-4e7a-9c1b-0a4d3f6b2c11 \
  -H "$as_grace" -H "$json" -d '{"content":"Hello, Ada"}'

# A subscription resumes at the version in `Parents`: with version 0, Ada gets everything again.
curl -sN $api/conversations/$chat/messages -H "$as_ada" -H 'subscribe: true' -H 'parents: "0"' --max-time 2

# Stop Ada's stream.
kill $!

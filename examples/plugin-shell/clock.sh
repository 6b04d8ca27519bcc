#!/usr/bin/env bash
# The plugin "clock" in shell: !time tells the time, !time Europe/Berlin that of a
# zone. It knows nothing of Rosey but the event contract, and needs the NATS CLI
# and jq. NATS_URL, NATS_USER and NATS_PASSWORD say where the bot is.
set -euo pipefail

name=clock
durable=plugin-$name                     # whoever uses this name shares the plugin's work
max_age=${CLOCK_MAX_AGE:-600}            # seconds
backoff=(1 5 30 120)                     # seconds before each further attempt
inbox=_INBOX.$name.$$.$RANDOM

registration='{"name":"'$name'","version":"1.0.0","description":"Tells the time","commands":[
{"name":"time","usage":"time [ZONE]","description":"tells the time, in UTC or in a zone such as Europe/Berlin"}],
"min_rank":0,"usage":"time [ZONE]","max_age":'$max_age'}'

# time_in ZONE SECONDS prints the answer to a command. It takes the time from the
# event and not from the machine, so that it says the same when it runs again.
time_in() {
	if [[ ! $1 =~ ^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$ || ! -f /usr/share/zoneinfo/$1 ]]; then
		printf '❌ I do not know the time zone %.40s: say for example Europe/Berlin' "$1"
		return
	fi
	printf '🕒 %s: %s' "$1" "$(TZ=$1 date -d "@$2" '+%H:%M:%S on %A')"
}

# publish SUBJECT DATA ID stores an event and waits until that is acknowledged. It
# belongs to the conversation of the command in hand ($correlation, $ref).
publish() {
	local body headers=(-H "Nats-Msg-Id:$3")
	body=$(jq -nc --arg subject "$1" --argjson data "$2" --arg correlation "$correlation" --arg source "$durable" --arg ref "$ref" \
		'{subject: $subject, data: $data, timestamp: now, priority: 1, correlation_id: (if $correlation == "" then null else $correlation end),
		  metadata: {source: $source, causation_id: $ref}}')
	[[ -z $correlation ]] || headers+=(-H "Rosey-Correlation-Id:$correlation")
	nats pub --jetstream --quiet --no-templates "${headers[@]}" "$1" "$body" >&2
}

# settle REPLY WORD acknowledges a delivery: +ACK, +TERM or -NAK.
settle() { printf '%s' "$2" | nats pub --quiet --no-templates --force-stdin "$1"; }

# pull asks for one more command, for half a minute.
pull() { nats pub --quiet --no-templates --reply "$inbox" "\$JS.API.CONSUMER.MSG.NEXT.PLUGIN.$durable" '{"batch":1,"expires":29000000000}'; }

# deliver MESSAGE handles one delivery, as nats sub --dump prints it.
deliver() {
	local reply stream attempt seq stamp age body zone channel data retry_for private
	reply=$(jq -r '.Reply // ""' <<<"$1")
	[[ $reply == '$JS.ACK.'* ]] || return 0 # nothing came in half a minute
	# $JS.ACK.<stream>.<consumer>.<attempt>.<stream sequence>.<…>.<stored at, ns>.<…>
	read -r stream attempt seq stamp < <(jq -r '.Reply / "." | if length > 9 then .[4:] else .[2:] end | "\(.[0]) \(.[2]) \(.[3]) \(.[5])"' <<<"$1")
	ref=$stream:$seq
	age=$((($(date +%s%N) - stamp) / 1000000)) # ms
	body=$(jq -r '.Data | @base64d' <<<"$1")
	# An event is an envelope, or the bare payload.
	data=$(jq -ec 'if has("subject") and has("data") then .data else . end | select((.command | type) == "string" and (.user | type) == "string")' <<<"$body" 2>/dev/null) || data=
	correlation=$(jq -r '.correlation_id? // ""' <<<"$body" 2>/dev/null) || correlation=
	[[ $correlation ]] || correlation=$(jq -r '.Header["Rosey-Correlation-Id"][0] // ""' <<<"$1")
	[[ $correlation =~ ^[A-Za-z0-9:@._-]*$ ]] || correlation= # the CLI expands {{…}} in headers

	retry_for=$(jq -r 'if has("subject") and has("data") then .metadata.retry_for? // "" else "" end' <<<"$body" 2>/dev/null) || retry_for=

	if [[ ! $data ]]; then
		give_up 'malformed event: command and user are required'
	elif [[ $retry_for && $retry_for != "$durable" ]]; then
		settle "$reply" +ACK # another consumer's dead letter, put to it again: this one has seen the event
	elif ((attempt > ${#backoff[@]} + 1)); then
		give_up 'every attempt ended with its process'
	elif ((age > max_age * 1000)); then
		publish "plugin.$name.event.expired" "$(jq -nc --arg c "$durable" --arg s "$stream" --argjson q "$seq" --argjson a "$age" --argjson m "$max_age" \
			'{event_type: "expired", consumer: $c, stream: $s, seq: $q, subject: "plugin.'$name'.command", age: ($a / 1000), max_age: $m}')" "$durable/$ref/1" || return 1
		settle "$reply" +ACK
	else
		zone=$(jq -r '.args[0]? // "UTC"' <<<"$data")
		channel=$(jq -r '.channel? // ""' <<<"$data")
		# The one output of an event always has the same id, so that a repeat after a
		# crash is recognised and dropped. A private message is answered by one.
		private=$(jq -r 'if .private == true then .user else "" end' <<<"$data")
		publish "cytube.send.$([[ $private ]] && echo pm || echo chat)" \
			"$(jq -nc --arg m "$(time_in "$zone" "${stamp%?????????}")" --arg c "$channel" --arg to "$private" \
				'{message: $m} + (if $c == "" then {} else {channel: $c} end) + (if $to == "" then {} else {to: $to} end)')" "$durable/$ref/1" || return 1
		settle "$reply" +ACK
	fi
}

# give_up WHY sets the command in hand aside.
give_up() {
	publish "plugin.$name.event.dead_letter" "$(jq -nc --arg c "$durable" --arg s "$stream" --argjson q "$seq" --arg e "$1" --argjson n "$attempt" \
		'{event_type: "dead_letter", consumer: $c, stream: $s, seq: $q, subject: "plugin.'$name'.command", error: $e, error_code: "INVALID_INPUT", attempts: $n}')" \
		"$durable/$ref/dead" && settle "$reply" +TERM
}

# retry MESSAGE has a delivery that failed come again later, or gives up on it.
retry() {
	local reply stream attempt seq
	reply=$(jq -r .Reply <<<"$1")
	read -r stream attempt seq < <(jq -r '.Reply / "." | if length > 9 then .[4:] else .[2:] end | "\(.[0]) \(.[2]) \(.[3])"' <<<"$1")
	if ((attempt > ${#backoff[@]})); then
		give_up 'the reply could not be stored'
	else
		settle "$reply" "-NAK {\"delay\": ${backoff[attempt - 1]}000000000}"
	fi
}

if [[ $(nats kv get plugins "$name" --raw 2>/dev/null) != "$registration" ]]; then
	nats kv put plugins "$name" "$registration" >&2
fi
# A consumer that exists is left as it is: it knows what was handled, and whether
# the plugin is paused.
nats consumer info PLUGIN "$durable" >/dev/null 2>&1 ||
	nats consumer add PLUGIN "$durable" --pull --filter "plugin.$name.command" --ack explicit --deliver all --replay instant --wait 10s --max-deliver 15 --defaults >&2

exec 3< <(exec nats sub --dump=- "$inbox")
subscriber=$!
# What lists the services that run, as rosey plugin ls does, hears of this one.
nats reply --queue "$inbox" '$SRV.INFO' '{"type":"io.nats.micro.v1.info_response","name":"'$durable'","id":"'$$'","version":"1.0.0","metadata":{"plugin":"'$name'"}}' >/dev/null </dev/null &
answerer=$!
trap 'kill $subscriber $answerer 2>/dev/null || true' EXIT
trap 'exit 0' TERM INT
echo "$name runs" >&2

# What is asked for before the subscription is there comes to nobody: ask again
# soon at first, and then whenever half a minute brought nothing.
message='' waits=(0.3 1 3)
while true; do
	if IFS= read -r -d '' -t "${waits[0]:-30}" part <&3; then
		message+=$part
		deliver "$message" || retry "$message" || echo "settling failed, the command will come again" >&2
		message='' waits=()
	else
		(($? > 128)) || break
		message+=$part waits=("${waits[@]:1}")
	fi
	pull || echo "asking for the next command failed, will ask again" >&2
done
echo "lost the connection" >&2
exit 1

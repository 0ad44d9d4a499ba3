#!/usr/bin/env bash
# What the annotation platform does, with curl alone: start a training, poll it, fetch the model, test, fetch the result.
#
#   API=http://ADDRESS examples/platform.sh PROJECT_ID TRAIN_ID TEST_ID [NAME=VALUE ...]
#
# Images and annotations lie in train/PROJECT_ID/TRAIN_ID/ and test/PROJECT_ID/TEST_ID/ on the volume. Each
# NAME=VALUE goes to /train/start, such as runTest=1 detEpochs=50. TOKEN, where it is set, goes along. Files come
# into the present folder. Ends with 0 only if both succeeded.
set -euo pipefail

if [ $# -lt 3 ] || [ -z "${API:-}" ]; then
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 64
fi
project=$1 train=$2 test=$3
shift 3
succeeded=成功 failed=失败 # the platform's own words

# call PATH NAME=VALUE...: the answer's body; its own message and an exit where it is an error
call() {
  local path=$1 code body parameters=()
  shift
  for parameter in "$@"; do parameters+=(--data-urlencode "$parameter"); done
  body=$(curl --silent --show-error --max-time 60 --get "${parameters[@]}" \
    ${TOKEN:+--header "Authorization: Bearer $TOKEN"} --write-out '\n%{http_code}' "$API$path")
  code=${body##*$'\n'}
  body=${body%$'\n'*}
  if [ "$code" != 200 ]; then
    echo "$path answered $code: $body" >&2
    exit 1
  fi
  printf '%s' "$body"
}

# field NAME: of the flat JSON object on standard input
field() { sed -E "s/.*\"$1\": ?\"?([^,\"}]*).*/\1/"; }

# wait_for ID_NAME=ID FIELDS...: polls /status until one of the two last words
wait_for() {
  local answer word line last=
  while true; do
    answer=$(call /status "projectID=$project" "$1")
    word=$(printf '%s' "$answer" | field status)
    line=$word
    for name in "${@:2}"; do line+=" $name=$(printf '%s' "$answer" | field "$name")"; done
    [ "$line" = "$last" ] || echo "  $line"
    last=$line
    case $word in
      "$succeeded") return 0 ;;
      "$failed")
        printf '%s\n' "$answer" >&2
        return 1
        ;;
    esac
    sleep 2
  done
}

# fetch PATH FILE NAME=VALUE...: a file that checkFile says is there, all of it
fetch() {
  local path=$1 file=$2 size parameters=()
  shift 2
  size=$(call "/$path/checkFile" "$@" | field size)
  [ "$size" -gt 0 ] || { echo "$file is not there" >&2; exit 1; }
  for parameter in "$@"; do parameters+=(--data-urlencode "$parameter"); done
  # --continue-at: after a cut the same command goes on where it stopped
  curl --silent --show-error --fail --get "${parameters[@]}" ${TOKEN:+--header "Authorization: Bearer $TOKEN"} \
    --continue-at - --output "$file" "$API/$path/download"
  [ "$(stat --format %s "$file")" = "$size" ] || { echo "$file has not the size that was told" >&2; exit 1; }
  echo "  $file: $size bytes"
}

echo "train $project/$train"
call /train/start "projectID=$project" "trainID=$train" "$@" >/dev/null
wait_for "trainID=$train" det_epoch det_totalEpoch hmean rec_epoch rec_totalEpoch char_precision
fetch train pthModel.zip "projectID=$project" "trainID=$train" type=model downloadType=model

echo "test $project/$test"
call /test/start "projectID=$project" "testID=$test" >/dev/null
wait_for "testID=$test" testImage totalTestImage
fetch test testResult.json "projectID=$project" "testID=$test"

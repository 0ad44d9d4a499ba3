#!/bin/sh
# trainer-requirements.sh cuda|cpu INDEX FOLDER: the lock's part for the trainer, in two folders: torch with what it
# needs, and everything. All of it has hashes but cpu's wheels of torch: PyPI has none of those, so uv.lock knows
# their versions and not their contents. They have a file of their own, for an index counts for a whole file.
set -eu
torch=$1 index=$2 folder=$3

lock() {
    uv export --frozen --no-default-groups --no-emit-project --no-header --no-annotate --quiet "$@"
}

mkdir -p "$folder/torch" "$folder/trainer"
case $torch in
cuda)
    lock --only-group torch > "$folder/torch/all.txt"
    lock --extra trainer > "$folder/trainer/all.txt"
    ;;
cpu)
    locked=$(lock --only-group torch --no-hashes)
    wheels=$(echo "$locked" | sed -nE 's/^(torch|torchvision)==([^ ]+).*/\1==\2+cpu/p')
    # CUDA's libraries and the compiler of its kernels; torch itself comes from the index.
    left_out=$(echo "$locked" | sed -nE 's/^((nvidia|cuda)-[^=]+|triton|torch|torchvision)==.*/--no-emit-package \1/p')
    # shellcheck disable=SC2086  # words are meant
    lock --only-group torch $left_out > "$folder/torch/all.txt"
    printf -- '--index-url %s\n%s\n' "$index" "$wheels" > "$folder/torch/cpu.txt"
    # shellcheck disable=SC2086
    lock --extra trainer $left_out > "$folder/trainer/all.txt"
    ;;
*)
    echo "TORCH is cuda or cpu, not '$torch'" >&2
    exit 64
    ;;
esac

#!/usr/bin/env bash
# Builds the images, or saves what was built for tests to look into, with the builder that is there.
#
#   images.sh build PREFIX TAG [NAME…]          PREFIX/NAME:TAG
#   images.sh save PREFIX TAG FOLDER [NAME…]    FOLDER/NAME.tar, in the format of `docker save`
#
# The names are injector, webhook, and e2e, which only the end-to-end tests use; all of them if none is given.
#
# IMAGE_BUILD   another builder, called as: IMAGE_BUILD TAG CONTEXT -f DOCKERFILE OPTIONS (those of `docker build`)
# IMAGE_SOURCE  save from there, in skopeo's words, instead of from the builder: docker://registry.example/token-injector
# BASE          the images' base, a Debian with Python 3.11 or newer (default: as the Dockerfiles say)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

declare -A dockerfiles=([injector]=Dockerfile.injector [webhook]=Dockerfile.webhook [e2e]=tests/e2e/Dockerfile)
images=(injector webhook e2e)
tool=""

choose() {
  local image
  if (($# == 0)); then return; fi
  images=("$@")
  for image in "${images[@]}"; do
    if [[ -z ${dockerfiles[$image]:-} ]]; then
      echo "images.sh: there is no image $image; expected ${!dockerfiles[*]}" >&2
      exit 2
    fi
  done
}

find_tool() {
  local candidate
  for candidate in docker podman buildah; do
    # A client without its daemon builds nothing.
    if "$candidate" info >/dev/null 2>&1; then
      tool=$candidate
      return
    fi
  done
  echo "images.sh: none of docker, podman and buildah works here; install one, or name a command in IMAGE_BUILD" >&2
  exit 1
}

build() {
  local prefix=$1 tag=$2 version revision image
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
  revision=$(git describe --always --abbrev=40 --dirty --exclude='*')
  # The injector's build needs --ulimit (injector/launcher/build.sh); the others don't mind.
  options=(--ulimit nofile=2048:2048 --build-arg "VERSION=$version" --build-arg "REVISION=$revision")
  if [[ -n ${BASE:-} ]]; then options+=(--build-arg "BASE=$BASE"); fi
  for image in "${images[@]}"; do
    SECONDS=0
    build_one "$prefix/$image:$tag" "${dockerfiles[$image]}" >&2
    echo "$prefix/$image:$tag: built in $SECONDS s"
  done
}

build_one() {
  local name=$1 file=$2 command
  if [[ -n ${IMAGE_BUILD:-} ]]; then
    read -ra command <<<"$IMAGE_BUILD"
    "${command[@]}" "$name" . -f "$file" "${options[@]}"
  elif [[ $tool == buildah ]]; then
    buildah build --layers --tag "$name" --file "$file" "${options[@]}" .
  else
    "$tool" build --tag "$name" --file "$file" "${options[@]}" .
  fi
}

save() {
  local prefix=$1 tag=$2 folder=$3 image
  mkdir -p "$folder"
  for image in "${images[@]}"; do
    rm -f "$folder/$image.tar"
    if [[ -n ${IMAGE_SOURCE:-} ]]; then
      skopeo copy --quiet --src-tls-verify=false "$IMAGE_SOURCE/$image:$tag" "docker-archive:$folder/$image.tar"
    elif [[ $tool == buildah ]]; then
      buildah push --quiet "$prefix/$image:$tag" "docker-archive:$folder/$image.tar:$prefix/$image:$tag"
    else
      "$tool" save --output "$folder/$image.tar" "$prefix/$image:$tag"
    fi
    echo "$folder/$image.tar"
  done
}

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' images/images.sh >&2
  exit 2
}

case "${1:-}" in
  build)
    if (($# < 3)); then usage; fi
    choose "${@:4}"
    if [[ -z ${IMAGE_BUILD:-} ]]; then find_tool; fi
    build "$2" "$3"
    ;;
  save)
    if (($# < 4)); then usage; fi
    choose "${@:5}"
    if [[ -z ${IMAGE_SOURCE:-} ]]; then find_tool; fi
    save "$2" "$3" "$4"
    ;;
  *) usage ;;
esac

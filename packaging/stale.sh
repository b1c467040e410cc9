# stale: is $built (the stamp) missing in the checkout $top, or older than something the product is built from: every room
# (a folder with a CMakeLists.txt) but tests and bench? One `find`; sourced by ./sandbox-run, so plain sh and short.
stale() (
  [ -e "$built" ] || exit 0
  set --
  for file in "$top"/*/CMakeLists.txt; do
    case $file in */tests/*|*/bench/*) ;; *) set -- "$@" "${file%/*}" ;; esac
  done
  [ -n "$(find "$@" "$top/CMakeLists.txt" "$top/CMakePresets.json" "$top/cmake" -newer "$built" -print -quit)" ]
)

# Sourced by the scripts of this folder.

# Print a command that runs Python $1: from the PATH, or one of pyenv's.
python_of() {
  local found
  if found=$(command -v "python$1") && "$found" -c 'import sys' 2>/dev/null; then
    echo "$found"
  elif command -v pyenv >/dev/null && found=$(pyenv versions --bare | grep -E "^${1//./\\.}\.[0-9]+$" | sort -V | tail -n 1) && [ -n "$found" ]; then
    echo "$(pyenv root)/versions/$found/bin/python"
  else
    echo "no Python $1 here: install it, or pyenv install $1" >&2
    return 1
  fi
}

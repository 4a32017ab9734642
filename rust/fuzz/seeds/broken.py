def f(:
	if x
  else """
lambda: (yield

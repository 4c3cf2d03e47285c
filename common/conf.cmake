# hf_conf: nginx grammar, units, .env (see conf_lexer.h)

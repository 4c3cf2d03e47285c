# common/conf_*, units, env_file, command line.
foreach(name command_line conf_check conf_lexer conf_source env_file socket_address suggest units)
  hf_test(common_${name}_test common/${name}_test.cpp LINK hf_conf)
endforeach()

# common/conf_*, units, env_file, command line.
hf_test(common_units_test common/units_test.cpp LINK hf_conf)

# hf_ctl: holdfastctl without its main(); holdfastctl: the program.
hf_library(hf_ctl
  ctl/backend_verbs.cpp
  ctl/client.cpp
  ctl/command_line.cpp
  ctl/render.cpp
  ctl/run.cpp
  ctl/verbs.cpp
  LINK hf_link hf_conf CLI11::CLI11)
hf_program(holdfastctl ctl/main.cpp LINK hf_ctl)

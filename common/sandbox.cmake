# hf_sandbox: what a running daemon gives up.
hf_library(hf_sandbox
  landlock.cpp
  sandbox.cpp
  syscall_filter.cpp
  LINK hf_common PkgConfig::SECCOMP PkgConfig::EVENT)

# Everything of the configuration that reads text.
hf_fuzz(fuzz_conf fuzz/fuzz_conf.cpp LINK hf_proxy_config hf_sessiond_config)
hf_fuzz(fuzz_conf_bundle fuzz/fuzz_conf_bundle.cpp LINK hf_conf)
hf_fuzz(fuzz_env_file fuzz/fuzz_env_file.cpp LINK hf_conf)
# Tokens of clients (session_user jwt).
if(HOLDFAST_JWT)
  hf_fuzz(fuzz_jwt fuzz/fuzz_jwt.cpp LINK hf_proxy_jwt PkgConfig::CRYPTO)
endif()

# Verified tokens; paths are relative to tests/.
if(HOLDFAST_TESTS)
  hf_library(hf_test_tokens
    support/tokens.cpp
    LINK PkgConfig::CMOCKA PkgConfig::CRYPTO PkgConfig::EVENT)
endif()
if(HOLDFAST_JWT)
  hf_test(jwt_verifier_test proxy/jwt_verifier_test.cpp LINK hf_proxy_jwt hf_test_tokens)
  hf_test(config_jwt_test proxy/config_jwt_test.cpp LINK hf_proxy_config hf_test_tokens)
  hf_test(jwt_cache_test proxy/jwt_cache_test.cpp LINK hf_proxy_data hf_test_tokens)
endif()
# What a build without libjwt has in its place, in every build.
hf_library(hf_jwt_absent ../proxy/jwt_absent.cpp LINK hf_common)
hf_test(jwt_absent_test proxy/jwt_absent_test.cpp LINK hf_jwt_absent)

# cmake --install: daemons in sbin, the ctl in bin, configuration in /etc/holdfast.
include(GNUInstallDirs)
foreach(program holdfast-proxy holdfast-sessiond)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
  endif()
endforeach()

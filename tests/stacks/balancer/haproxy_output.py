"""What an HAProxy of two workers prints for the script that reads it."""

HEAD = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight"
STAT = "# pxname,svname,qcur,scur,stot,econ,eresp,hrsp_5xx,req_tot,rtime,ttime,status,"
SAID = f"""#<PID>          <type>          <reloads>       <uptime>        <version>
1               master          4 [failed: 0]   0d00h03m08s     2.6.12-1+deb12u4
# workers
324             worker          0               0d00h03m03s     2.6.12-1+deb12u4
# old workers
301             worker          1               0d00h03m04s     2.6.12-1+deb12u4
# programs
@ 324 0
{STAT}
port-80,FRONTEND,,4,7,,,1,9,,,OPEN,
http-b,web-1,0,2,5,1,1,1,,12,30,UP,
http-b,web-3,0,0,0,0,0,0,,0,0,DOWN,
http-b,BACKEND,0,2,5,0,0,0,5,12,30,UP,

1
{HEAD}
4 http-b 1 web-1 10.0.0.1 2 0 1 1 182 6 3 0 14 0 0 0 - 80 - 0 0 - - 0
4 http-b 2 web-3 10.0.0.3 0 1 1 1 182 6 3 0 14 0 0 0 - 80 - 0 0 - - 0

@ 301 1
{STAT}
http-b,web-1,0,1,3,0,0,0,,9,9,UP,
http-b,web-2,0,4,3,0,0,0,,9,9,UP,
http-b,BACKEND,0,5,3,0,0,0,6,9,9,UP,
"""

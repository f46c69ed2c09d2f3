import json, random, asyncio, collections
from tests.web.centre import *
from tests.web.answers import problem
def val(r,d=0):
    k=r.randrange(14)
    return [None,True,False,r.randrange(-5,10),r.randrange(-10**30,10**30),r.random()*1e5,"", " ", "".join(chr(r.choice([r.randrange(32,127),r.randrange(0x110000),0,0xd800,0x301])) for _ in range(r.randrange(300))), "992900900900","AlifBank","2025-02-17T10:20:30Z", [] if d>2 else [val(r,d+1) for _ in range(r.randrange(4))], {} if d>2 else {str(val(r,d+1)):val(r,d+1) for _ in range(3)}][k]
async def test_fuzz(database):
    r=random.Random(7); seen=collections.Counter()
    async with centre_on(database) as c:
        for i in range(2500):
            m={**MESSAGE}
            for n in list(m)+["Priority","ScheduledAt","ExpiresIn","SmsLabel","ClientMessageId"]:
                if r.random()<.25: m[n]=val(r)
            body=json.dumps(m) if r.random()<.9 else json.dumps(val(r))
            b=body.encode()
            if r.random()<.1: b=bytearray(b); b[r.randrange(len(b)):r.randrange(len(b))+1]=r.randbytes(3); b=bytes(b)
            x=await (c.send(b,client=r.choice([1,2,3,7])) if r.random()<.6 else c.bulk(b"["+b+b"]",client=r.choice([1,2,3])))
            if x.status_code!=200: problem(x,x.json()["MessageResult"])
            seen[x.status_code, x.json().get("MessageResult")]+=1
            assert x.status_code<500,(b,x.text)
    print(seen)
